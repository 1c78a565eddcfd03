"""How an image was exposed, stored and enlarged."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["IMAGE_QUALITY"]


def _measure(name: str, unit: str, doc: str) -> pa.Field:
    return column(name, pa.float32(), unit=unit, null="not measured", producer="image_quality", doc=doc)


IMAGE_QUALITY = pa.schema(
    [
        _measure(
            "luma_mean",
            "luma levels",
            "Mean luma, 0 (black) to 255.",
        ),
        _measure(
            "luma_low",
            "luma levels",
            "Luma that one pixel in a hundred is at or below.",
        ),
        _measure(
            "luma_high",
            "luma levels",
            "Luma that 99 pixels in a hundred are at or below: low for a picture that is dark all over.",
        ),
        _measure(
            "luma_bright_frac",
            "fraction",
            "Share of pixels clipped at white: luma of 250 or more.",
        ),
        _measure(
            "luma_glare_frac",
            "fraction",
            "Share of pixels that are nearly white: luma of 220 to 249.",
        ),
        _measure(
            "rgb_std_max",
            "levels",
            "Largest of the standard deviations of red, green and blue, over averages of about 256 px a side; "
            "near 0 means nothing is on it.",
        ),
        _measure(
            "image_colourfulness",
            "levels",
            "Colourfulness of Hasler and Suesstrunk, 0 for grey.",
        ),
        _measure(
            "image_chroma_spread",
            "levels",
            "Deviation of the colours around one tint: 0 for grey, near 0 for sepia and the like.",
        ),
        _measure(
            "image_noise",
            "luma levels",
            "Standard deviation of the noise in the quietest fifth of the middle of the image.",
        ),
        _measure(
            "image_detail_frac",
            "fraction",
            "Share of the highest frequency up to which the image has detail: about 1/s if it was enlarged s "
            "times or is that soft; 1 where there is nothing to judge by.",
        ),
        _measure(
            "image_blockiness",
            "ratio",
            "Steps across an 8 px grid over other steps: 1 without a grid, more after strong JPEG compression, "
            "also in a file that is no JPEG any more.",
        ),
        column(
            "jpeg_quality",
            pa.int16(),
            unit="1 to 100",
            null="not measured, or no JPEG",
            producer="image_quality",
            doc="Quality at which libjpeg would quantise luma as the file's tables do.",
        ),
    ]
)
