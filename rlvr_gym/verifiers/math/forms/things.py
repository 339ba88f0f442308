"""Things that people count, for questions that do not say what theirs are: English nouns in the singular."""

from __future__ import annotations

_PEOPLE = """
    person child man woman boy girl baby kid adult student pupil teacher player worker friend guest neighbor
    neighbour brother sister sibling son daughter cousin uncle aunt mother father parent grandchild customer visitor
    passenger driver runner rider farmer baker soldier sailor doctor nurse patient member employee boss pirate king
    queen knight prince princess voter citizen resident tourist camper swimmer dancer singer actor artist painter
    writer author reader fan team family couple class group crew pair club army clown elf snowman zombie engineer
    chef cook client boyfriend girlfriend professor scientist lawyer officer fireman policeman winner loser
    candidate applicant
"""
_ANIMALS = """
    animal ant ape bat bear beaver bee beetle bird bug bull butterfly calf camel cat caterpillar chick chicken cow
    crab cricket crow deer dog dolphin donkey dove dragon duck duckling eagle elephant fish flea fly fox frog
    giraffe goat goldfish goose hamster hare hawk hen horse insect kangaroo kitten koala ladybug lamb lion lizard
    llama lobster monkey moth mouse mule octopus ostrich otter owl ox panda parrot penguin pet pig pigeon pony pup
    puppy rabbit rat raccoon rooster salmon seal shark sheep shrimp snail snake spider squid squirrel swan tiger
    toad trout turkey turtle whale wolf worm zebra unicorn monster dinosaur gecko
"""
_FOOD = """
    almond apple apricot avocado bagel banana bean beer beet berry biscuit blueberry bread broccoli brownie bun
    burger burrito cabbage cake candy carrot cheese cherry chip chocolate cinnamon cob coconut coffee cookie corn
    cracker cucumber cupcake date dessert dinner donut doughnut dumpling egg eggplant fig fruit garlic grape
    grapefruit gum ham hamburger hotdog jam juice kiwi lemon lemonade lettuce lime lollipop loaf lunch mango
    marshmallow meal meat melon milk mint muffin mushroom noodle nut oat olive onion orange oyster pancake papaya
    pastry pea peach peanut pear pecan pepper pickle pie pineapple pizza plum popcorn potato pretzel pudding pumpkin
    radish raisin raspberry rice rib roll salad sandwich sausage serving slice smoothie snack soda soup spinach
    steak strawberry sugar sundae sushi sweet taco tangerine tart tea toast tomato vegetable waffle walnut
    watermelon wine yam yogurt zucchini
"""
_OBJECTS = """
    arrow axe backpack badge bag ball balloon band bandage banner bar barrel basket basketball bath battery bead bed
    bell belt bench bicycle bike bill bin blade blanket block board boat bolt bone book bookshelf boot bottle
    bouquet bow bowl box bracelet brick broom brush bucket bulb bundle bus button cable camera camp can candle canoe
    cap car card carpet carriage cart carton case cassette chain chair chalk chest chopstick clip clock cloth coat
    coin comb comic computer container cot cover crate crayon crib crown cube cup curtain cushion daisy desk dial
    diamond diary dish dime disc disk doll door dress drill drop drum dvd earring envelope eraser fan faucet feather
    fence file flag flashlight flower flute folder fork frame fridge fur gate gem gift glass glove glue guitar gun
    hammer handle hat headband helmet hinge hook hoodie hose instrument iron jacket jar jersey jewel jug kettle key
    keyboard kite knife knob lace ladder lamp lantern laptop leaf leash lid light lipstick lock log machine magazine
    magnet mailbox map marble marker mask mat match mattress medal microphone mirror mitten mop motorcycle mug nail
    napkin necklace needle net newspaper nickel notebook oar oven pack package packet pad paddle page pail painting
    paintbrush palette pan panel pants paper parachute parcel passport patch pearl pebble pedal peg pen pencil penny
    phone photo photograph piano pickaxe picture piece pile pill pillow pin pipe plane plank plant plate platter
    pocket pole poster pot pouch present prize purse puzzle quilt racket rack radio rag raft rail rake record ribbon
    ring robe robot rock rocket rod roller rope rose rug ruler sack saddle sail sandal saw scarf schoolbag scooter
    screen screw screwdriver sculpture seat seed shampoo sheet shelf shell ship shirt shoe shovel sign sink skate
    skateboard skirt sled slipper soap sock sofa spade spoon sponge spool spring stamp staple stapler star statue
    stem stick sticker stone stool stove strap straw string suit suitcase sunflower sweater swing sword table
    tablecloth tablet tag tank tape television tent ticket tie tile tin tire tool toothbrush towel toy tractor train
    trampoline tray tricycle trophy truck trumpet trunk tub tube tulip umbrella uniform urn van vase vehicle vest
    video violin wagon wallet watch wheel whistle wig window wire yacht yarn zipper
"""
_PLACES_AND_TIMES = """
    bakery barn building bungalow cabin cafe camp castle church city classroom country county farm field floor
    forest garden gym home hospital hotel house hut inn island lake library mall museum office orchard park pool
    pond pub room school shed shop stable stair step store street tower town tree village yard zoo weekend night
    morning evening birthday season trip visit lap lesson shift game goal point round race song story poem chapter
    letter word sentence essay article message email call vote joke dream dance show movie episode concert party
    class course exam quiz turn move jump throw hit shot kick run win loss ride flight tour pushup situp exercise
    rep
"""
_OF_MATHEMATICS = """
    angle arc arrangement axis case chord circle combination committee cone curve cylinder diagonal digit divisor
    edge element ellipse event face factor fold function handshake hexagon hypotenuse integer interval intersection
    line lattice matrix matrices multiple octagon ordering outcome palindrome pair parabola partition path pattern
    pentagon permutation plane point polygon polynomial prime prism pyramid quadrilateral quadruple rectangle region
    root row column segment sequence set shape side solution sphere square subset subsequence summand term triangle
    triple trapezoid tuple value vertex way zero object item thing unit toothpick token tile cell piece choice
    possibility flip roll toss draw marking color colour layer level stage section part portion share
"""
EVERYDAY = frozenset(
    " ".join([_PEOPLE, _ANIMALS, _FOOD, _OBJECTS, _PLACES_AND_TIMES, _OF_MATHEMATICS]).split()
)
