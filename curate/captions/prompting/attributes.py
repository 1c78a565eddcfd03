"""Questions about the main person of an image, by part. Our own compilation of plain, visible attributes."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from curate.errors import PlanError

__all__ = ["ATTRIBUTES", "BACKGROUND", "BODY", "FACE", "PARTS", "Attribute", "read_attribute"]

PARTS: Final = ("face", "body", "background")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One yes/no question about a part; `name` is what a hint or a caption says if the answer is yes."""

    name: str
    question: str
    part: Literal["face", "body", "background"] = "face"

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise PlanError(f"Attribute {self.name!r}: part is {self.part!r}; it must be one of {', '.join(PARTS)}")


def read_attribute(
    attribute: Attribute, text: str, probability: float | None, answers: tuple[str, str]
) -> dict[str, Any]:
    """Return an entry of `human_attributes` from the answer to its question; `answers` are the words for yes and no.

    Any other answer is unknown: present and probability are null.
    """
    word = text.strip().casefold()
    is_read = word in {answer.casefold() for answer in answers}
    return {
        "part": attribute.part,
        "name": attribute.name,
        "present": word == answers[0].casefold() if is_read else None,
        "probability": probability if is_read else None,
    }


# Forty, as many as HumanCaption's classifier has (its list is CelebA's; ours leaves out judgements of looks, and asks
# for nothing that a photograph cannot show).
FACE: Final = (
    *(
        Attribute(name, f"Does this person have {name}?")
        for name in (
            "a beard", "a moustache", "stubble", "long sideburns", "bangs over the forehead", "a receding hairline",
            "a bald head", "straight hair", "wavy hair", "curly hair", "short hair", "long hair", "hair tied back",
            "braids", "black hair", "brown hair", "blond hair", "grey or white hair", "red hair",
            "dyed hair in an unusual colour", "thick eyebrows", "freckles", "dimples", "wrinkles", "rosy cheeks",
            "painted lips", "eye make-up", "a visible tattoo on the face",
        )
    ),
    *(
        Attribute(name, f"Is this person {name}?")
        for name in (
            "smiling", "laughing with an open mouth", "looking into the camera", "seen in profile", "closing the eyes",
            "wearing glasses", "wearing sunglasses", "wearing a hat or cap", "wearing earrings", "wearing a necklace",
            "wearing a face mask", "wearing a headscarf",
        )
    ),
)  # fmt: skip
BODY: Final = tuple(
    Attribute(name, f"Is this person {name}?", "body")
    for name in (
        "standing", "sitting", "walking", "running", "lying down", "raising a hand", "holding something in a hand",
        "wearing a suit", "wearing a dress", "wearing a T-shirt", "wearing a coat or jacket", "wearing a uniform",
        "wearing sports clothes",
    )
)  # fmt: skip
BACKGROUND: Final = (
    *(
        Attribute(name, f"Is the person {name}?", "background")
        for name in (
            "indoors",
            "outdoors",
            "in a street",
            "in nature",
            "at the water",
            "on a stage",
            "in front of a plain wall",
        )
    ),
    Attribute("a blurred background", "Is the background blurred?", "background"),
    Attribute("other people around", "Are there other people in the picture?", "background"),
    Attribute("night", "Is it night?", "background"),
)
ATTRIBUTES: Final = (*FACE, *BODY, *BACKGROUND)
