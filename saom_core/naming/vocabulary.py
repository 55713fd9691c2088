"""What things are called: each name with its usual size and the ImageNet words that mean it.

The table was made from the meaning of the words alone. A word that two names share (a cup is a Cup or a Mug) counts for
both in equal parts. A word that stands nowhere, such as an animal's, speaks for `Other`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """One name.

    Attributes:
        name: as it is given out.
        size_cm: smallest and largest usual length of the longest edge, centimetres.
        words: of ImageNet's 1000, that mean it.
    """

    name: str
    size_cm: tuple[float, float]
    words: tuple[str, ...]


def _meanings(table: str) -> tuple[Meaning, ...]:
    rows = [line.split("|") for line in table.strip().splitlines()]
    return tuple(
        Meaning(
            name.strip(),
            (float(size.split("-")[0]), float(size.split("-")[1])),
            tuple(word.strip() for word in words.split(",") if word.strip()),
        )
        for name, size, words in rows
    )


_THOR = _meanings("""
AlarmClock        | 6-25    | digital clock, analog clock
ArmChair          | 60-130  | rocking chair
BaseballBat       | 50-110  |
BasketBall        | 20-28   | basketball
Bathtub           | 100-200 | bathtub, tub
BathtubBasin      | 90-190  | bathtub, tub
Bed               | 120-240 | four-poster
Blinds            | 50-250  | window shade
Book              | 14-35   | book jacket, comic book, binder, menu
Bowl              | 10-35   | soup bowl, mixing bowl
Box               | 6-60    | carton, packet, crate, chest, pencil box
Bread             | 8-40    | French loaf, bakery
Cabinet           | 40-220  | china cabinet, medicine chest, file, wardrobe
CoffeeTable       | 50-150  |
CounterTop        | 60-400  |
Cup               | 6-16    | cup, measuring cup, beaker
Desk              | 80-200  | desk
DiningTable       | 80-300  | dining table
DishSponge        | 6-16    |
Drawer            | 25-100  | chiffonier
Dresser           | 60-180  | chiffonier
Fridge            | 80-200  | refrigerator
GarbageCan        | 20-110  | ashcan
Laptop            | 25-45   | laptop, notebook
LaundryHamper     | 35-80   | hamper
Microwave         | 35-65   | microwave
Mug               | 8-16    | coffee mug, cup
Newspaper         | 20-60   | crossword puzzle
Ottoman           | 30-100  |
Pan               | 18-55   | frying pan, wok
PaperTowelRoll    | 18-32   | paper towel
Plate             | 14-35   | plate
Plunger           | 30-65   | plunger
Pot               | 12-45   | caldron, Dutch oven
Safe              | 25-80   | safe
ScrubBrush        | 10-45   |
Shelf             | 40-250  | bookcase
ShowerCurtain     | 100-250 | shower curtain
ShowerDoor        | 100-250 | sliding door
SideTable         | 30-80   | pedestal
Sink              | 25-100  | washbasin
SinkBasin         | 25-80   | washbasin
SoapBar           | 5-12    |
SoapBottle        | 10-28   | soap dispenser, lotion
Sofa              | 110-260 | studio couch
SprayBottle       | 14-32   |
Statue            | 10-80   |
StoveBurner       | 10-90   | stove
TVStand           | 60-200  | entertainment center
TissueBox         | 10-30   |
Toilet            | 35-80   | toilet seat
ToiletPaper       | 8-14    | toilet tissue
ToiletPaperHanger | 8-25    |
Vase              | 10-50   | vase
WateringCan       | 15-45   |
""")
"""The classes of the simulators, all of them, in the order of the taxonomy."""

_HOUSEHOLD = _meanings("""
Abacus            | 10-40   | abacus
Apple             | 5-10    | Granny Smith
Apron             | 20-90   | apron
Artichoke         | 6-14    | artichoke
BabyBottle        | 8-25    | nipple
Backpack          | 25-60   | backpack, mailbag
Bagel             | 7-14    | bagel, pretzel
Banana            | 12-25   | banana
BandAid           | 3-12    | Band Aid
Barbell           | 30-200  | barbell
Baseball          | 6-9     | baseball
Basket            | 20-50   | shopping basket
BeerBottle        | 18-33   | beer bottle
BellPepper        | 6-16    | bell pepper
Binoculars        | 10-25   | binoculars
BottleCap         | 2-5     | bottlecap
Broccoli          | 8-25    | broccoli
Broom             | 30-150  | broom
Bucket            | 15-40   | bucket
Burrito           | 10-25   | burrito, hotdog
Cabbage           | 10-30   | head cabbage
Camera            | 7-25    | reflex camera, Polaroid camera
Candle            | 3-30    | candle
CanOpener         | 12-25   | can opener
Cassette          | 8-14    | cassette
Cauliflower       | 10-25   | cauliflower
CellPhone         | 9-18    | cellular telephone, hand-held computer, iPod
Chair             | 40-120  | folding chair, barber chair, throne
Cheeseburger      | 7-15    | cheeseburger
CocktailShaker    | 15-28   | cocktail shaker
CoffeeMachine     | 20-45   | espresso maker
CoffeePot         | 14-30   | coffeepot
Compass           | 4-12    | magnetic compass
Corkscrew         | 8-20    | corkscrew
Corn              | 10-30   | corn, ear
CroquetBall       | 8-11    | croquet ball
Cucumber          | 10-35   | cucumber, zucchini
Dishrag           | 15-60   | dishrag
Drumstick         | 30-45   | drumstick
Dumbbell          | 14-45   | dumbbell
Envelope          | 11-35   | envelope
Eraser            | 2-8     | rubber eraser
FacePowder        | 4-10    | face powder
Fan               | 15-140  | electric fan
Fig               | 3-7     | fig
Flashlight        | 8-35    | torch
FlowerPot         | 8-40    | pot
Flute             | 20-70   | flute
Fork              | 14-22   |
Glass             | 8-25    | beer glass, goblet
Glove             | 15-35   | mitten
GolfBall          | 4-4.5   | golf ball
HairClip          | 3-12    | hair slide
HairDryer         | 15-30   | hand blower
HairSpray         | 14-30   | hair spray
Hammer            | 20-45   | hammer
HandPlane         | 12-45   | plane
Handkerchief      | 15-50   | handkerchief
HardDisk          | 7-15    | hard disc
Harmonica         | 8-20    | harmonica
Hat               | 20-50   | sombrero, cowboy hat, bonnet, bathing cap, shower cap
Hatchet           | 25-60   | hatchet
Hook              | 3-20    | hook
Hourglass         | 6-25    | hourglass
IceCream          | 6-20    | ice cream, ice lolly
Iron              | 18-32   | iron
JigsawPuzzle      | 10-70   | jigsaw puzzle
Joystick          | 10-30   | joystick
Keyboard          | 25-50   | computer keyboard, typewriter keyboard
Knife             | 14-40   | cleaver, letter opener
Ladle             | 18-38   | ladle
Lamp              | 20-170  | table lamp, lampshade
Lemon             | 5-10    | lemon
LensCap           | 4-9     | lens cap
Lighter           | 5-12    | lighter
Lipstick          | 5-10    | lipstick
Lock              | 3-12    | padlock, combination lock
Loudspeaker       | 10-110  | loudspeaker
MagnifyingGlass   | 8-25    | loupe
Maraca            | 15-30   | maraca
Matchstick        | 3-8     | matchstick
MeatLoaf          | 12-30   | meat loaf
Microphone        | 10-30   | microphone
MilkCan           | 20-70   | milk can
Modem             | 10-30   | modem
Monitor           | 30-130  | monitor, screen, television, desktop computer
Mop               | 30-150  | swab
Mortar            | 8-22    | mortar
Mouse             | 7-14    | mouse
MouseTrap         | 8-20    | mousetrap
Mushroom          | 3-12    | mushroom, bolete, agaric
MusicPlayer       | 8-45    | cassette player, CD player, tape player
Nail              | 2-15    | nail
Necklace          | 10-50   | necklace
Ocarina           | 6-25    | ocarina
Orange            | 6-11    | orange
Padding           | 15-60   | knee pad, neck brace
Paintbrush        | 12-35   | paintbrush
Pen               | 10-19   | ballpoint, fountain pen, quill
PencilSharpener   | 2-16    | pencil sharpener
Perfume           | 5-16    | perfume
PetriDish         | 5-15    | Petri dish
PiggyBank         | 8-25    | piggy bank
PillBottle        | 5-14    | pill bottle
Pillow            | 25-80   | pillow
Pineapple         | 12-35   | pineapple
PingPongBall      | 3.5-4.5 | ping-pong ball
Pitcher           | 14-32   | pitcher
Pizza             | 15-45   | pizza
PlasticBag        | 10-50   | plastic bag
Pomegranate       | 6-12    | pomegranate
PopBottle         | 14-34   | pop bottle
PotPie            | 10-30   | potpie
PowerDrill        | 15-32   | power drill
Printer           | 25-60   | printer, photocopier
Projector         | 18-45   | projector
Puck              | 6-9     | puck
Purse             | 14-40   | purse
Quilt             | 40-200  | quilt
Racket            | 25-72   | racket
Radio             | 8-40    | radio
RemoteControl     | 9-25    | remote control
RugbyBall         | 24-32   | rugby ball
Ruler             | 14-60   | rule, slide rule
SafetyPin         | 2-7     | safety pin
SaltShaker        | 5-15    | saltshaker
Scale             | 12-45   | scale
Screw             | 1-12    | screw
Screwdriver       | 10-32   | screwdriver
SewingMachine     | 25-50   | sewing machine
Shoe              | 18-35   | running shoe, Loafer, clog, sandal, cowboy boot
Shovel            | 20-130  | shovel
SlowCooker        | 20-40   | Crock Pot
SoccerBall        | 18-23   | soccer ball
Sock              | 12-45   | sock, Christmas stocking
Spatula           | 18-38   | spatula
Squash            | 10-35   | spaghetti squash, acorn squash, butternut squash
Stethoscope       | 20-80   | stethoscope
Stopwatch         | 4-9     | stopwatch
Strainer          | 10-40   | strainer
Strawberry        | 2-5     | strawberry
Sunglasses        | 12-17   | sunglass, sunglasses
Sunscreen         | 8-22    | sunscreen
Switch            | 3-15    | switch
Syringe           | 6-25    | syringe
Tambourine        | 15-60   | drum
Teapot            | 12-28   | teapot
TeddyBear         | 10-60   | teddy
Telephone         | 14-28   | dial telephone, pay-phone
TennisBall        | 6-7     | tennis ball
Thimble           | 1.5-3.5 | thimble
Tie               | 8-150   | Windsor tie, bow tie, bolo tie
Toaster           | 20-40   | toaster
ToolBox           | 20-60   | carpenter's kit
Towel             | 20-150  | bath towel
Tray              | 20-60   | tray
Tripod            | 15-170  | tripod
Umbrella          | 20-110  | umbrella
Vacuum            | 25-120  | vacuum
Volleyball        | 19-23   | volleyball
WaffleIron        | 18-38   | waffle iron
WallClock         | 15-50   | wall clock
Wallet            | 7-22    | wallet
Watch             | 3-25    | digital watch
WaterBottle       | 14-35   | water bottle
WaterJug          | 18-45   | water jug, whiskey jug
Whistle           | 2-8     | whistle
WineBottle        | 26-36   | wine bottle, red wine
WoodenSpoon       | 15-38   | wooden spoon
""")
"""Further things of households that a gripper can hold, or that stand where it works."""

MEANINGS: tuple[Meaning, ...] = (*_THOR, *_HOUSEHOLD)
