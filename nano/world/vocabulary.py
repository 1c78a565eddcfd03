"""Word tables of the emojiworld: classes, colours, backgrounds and sign words."""

__all__ = ["BACKGROUNDS", "COLOURS", "GLYPHS", "NAMES", "PLURALS", "SIGN_WORDS"]

GLYPHS: dict[str, str] = {
    "dog": "🐕",
    "cat": "🐈",
    "horse": "🐎",
    "cow": "🐄",
    "sheep": "🐑",
    "elephant": "🐘",
    "bird": "🐦",
    "fish": "🐟",
    "turtle": "🐢",
    "butterfly": "🦋",
    "car": "🚗",
    "bus": "🚌",
    "truck": "🚚",
    "bicycle": "🚲",
    "motorcycle": "🏍",
    "airplane": "✈",
    "boat": "⛵",
    "train": "🚂",
    "rocket": "🚀",
    "tree": "🌳",
    "flower": "🌻",
    "cactus": "🌵",
    "mushroom": "🍄",
    "house": "🏠",
    "tent": "⛺",
    "apple": "🍎",
    "banana": "🍌",
    "pizza": "🍕",
    "carrot": "🥕",
    "cake": "🎂",
    "cup": "☕",
    "book": "📕",
    "clock": "⏰",
    "umbrella": "☂",
    "chair": "🪑",
    "bed": "🛏",
    "shoe": "👟",
    "hat": "🎩",
    "guitar": "🎸",
    "ball": "⚽",
    "star": "⭐",
    "heart": "❤",
    "sun": "☀",
    "cloud": "☁",
    "key": "🔑",
    "phone": "📱",
    "laptop": "💻",
    "scissors": "✂",
}
NAMES: list[str] = list(GLYPHS)
PLURALS: dict[str, str] = {n: n + "s" for n in NAMES} | {
    "sheep": "sheep",
    "fish": "fish",
    "butterfly": "butterflies",
    "bus": "buses",
    "cactus": "cacti",
    "scissors": "scissors",
}
COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (240, 240, 240),
    "grey": (135, 135, 135),
    "black": (28, 28, 28),
    "red": (205, 55, 50),
    "orange": (240, 145, 45),
    "yellow": (242, 218, 80),
    "green": (70, 160, 80),
    "blue": (60, 110, 205),
    "light blue": (150, 205, 242),
    "purple": (135, 75, 180),
    "pink": (245, 165, 195),
    "brown": (130, 88, 55),
}
BACKGROUNDS: list[str] = ["plain", "gradient", "grainy", "striped", "checkered", "blurred"]
_WORDS = """
open closed exit enter sale coffee market school bakery library museum garden park street road stop
slow danger welcome hello thanks please wait push pull left right north south east west fresh bread
milk cheese fruit water juice music dance cinema theatre hotel motel hostel beach river lake forest
mountain valley bridge tower castle palace temple station airport harbour port dock gate door window
kitchen office studio gallery salon barber dentist doctor clinic pharmacy hospital police fire rescue
ticket tickets parking taxi metro rental repair service garage paint tools wood metal glass stone
paper print photo video radio news daily weekly monday friday sunday summer winter spring autumn
happy lucky golden silver royal grand super mega mini local global organic natural vegan spicy sweet
bitter salty hot cold warm cool dry wet clean quiet private public staff only visitors members
children adults family senior student teacher lunch dinner breakfast brunch snack menu special offer
discount free gift cash credit bank post mail office hours today tomorrow tonight always never
first second third last best better good great nice kind brave smart quick rapid turbo power energy
solar wind green blue red black white orange purple pink brown yellow gold diamond crystal pearl
ocean island desert jungle safari camp hiking fishing sailing diving surf skate yoga gym sport
football tennis golf chess poker arcade games toys books comics poetry history science nature
physics biology chemistry math robot future space planet comet galaxy orbit lunar cosmic magic
dragon tiger lion eagle falcon wolf fox bear rabbit panda koala dolphin whale shark salmon tuna
sushi noodle ramen curry taco burger salad soup steak grill kebab bistro cafe tavern brewery winery
deli grocery butcher florist tailor jeweller optician laundry bookshop antiques vintage modern
classic retro fashion style shoes dress jacket denim cotton silk leather linen wool velvet ribbon
"""
SIGN_WORDS: list[str] = sorted(set(_WORDS.split()) - set(NAMES) - set(PLURALS.values()))
