"""Words that the rules know besides the declared ones: what is a person, a thing, or a giveaway.

Plain data. `template` reads it to decide whether an adjective is about a person, and what must be
refused because it shows an attribute and has no counterpart.
"""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


PERSONS = words("""
dr prof person persons people human humans individual individuals crowd couple couples family
families figure figures character characters model models stranger strangers friend friends lover
lovers parent parents grandparent grandparents sibling siblings twin twins relative spouse partner
partners cousin cousins neighbor neighbour colleague colleagues passerby pedestrian pedestrians
citizen citizens resident residents tourist tourists traveler traveller travelers visitor visitors
guest guests patient patients client clients customer customers member members leader leaders
worker workers employee employees employer boss manager managers officer officers official
firefighter firefighters doctor doctors nurse nurses surgeon dentist therapist pharmacist
paramedic teacher teachers professor professors lecturer tutor student students pupil pupils
scholar scientist scientists researcher engineer engineers technologist technician programmer
developer mechanic mechanics plumber electrician carpenter builder builders architect welder miner
miners farmer farmers gardener shepherd fisher hunter hunters baker cook cooks chef chefs butcher
barista bartender server cashier clerk clerks shopkeeper vendor vendors seller merchant merchants
trader artist artists painter painters sculptor photographer photographers illustrator designer
designers musician musicians singer singers dancer dancers pianist guitarist violinist drummer
composer conductor performer performers acrobat juggler clown clowns magician comedian entertainer
writer writers author poet poets journalist reporter editor novelist librarian athlete athletes
runner runners swimmer surfer skater skier cyclist biker rider riders climber golfer boxer boxers
wrestler gymnast player players footballer goalkeeper coach referee driver drivers pilot pilots
astronaut astronauts sailor sailors captain captains soldier soldiers warrior warriors knight
knights archer samurai ninja pirate pirates spy detective detectives guard guards judge judges
lawyer lawyers attorney politician president minister mayor senator diplomat ambassador secretary
accountant banker economist investor entrepreneur executive astronomer physicist chemist biologist
geologist historian philosopher psychologist explorer adventurer wanderer hiker hikers camper
beggar prisoner thief criminal victim witness rebel vampire zombie elf elves fairy fairies mage
mages superhero supervillain villain villains priest bishop pope imam rabbi pilgrim saint angel
angels vegetarian dwarf giant orc veteran veterans commuter commuters passenger passengers
protester dreamer reader thinker speaker listener volunteer volunteers intern apprentice graduate
graduates expert
""")
"""Nouns for a person that leave gender, age and origin open."""

THINGS = words("""
van vans house houses home homes building buildings tower towers castle palace church cathedral
temple mosque barn cabin cottage hut bridge wall walls door doors window windows roof floor stairs
room rooms kitchen bedroom bathroom library office shop store market restaurant cafe bar pub hotel
hall museum theater theatre school university hospital factory farm garden gardens park forest
woods tree trees flower flowers rose roses grass leaf leaves bush plant plants oak pine willow
mountain mountains hill hills valley canyon cliff cave desert beach ocean sea lake river stream
waterfall island coast shore sky cloud clouds sun moon star stars rain snow storm fog mist fire
ice water wave waves sand stone stones rock rocks field fields meadow road roads street streets
alley path city cities town towns village villages country world land landscape car cars truck bus
train trains tram bike bicycle bicycles motorcycle boat boats ship ships plane airplane aircraft
helicopter rocket spaceship wagon carriage vehicle engine wheel dog dogs puppy cat cats kitten
horse horses cow cows sheep goat pig chicken duck goose bird birds eagle owl raven crow swan wolf
wolves fox bear bears lion lions tiger tigers elephant elephants monkey rabbit deer mouse rat
snake fish shark whale dolphin turtle frog spider butterfly bee insect dragon dragons unicorn
dinosaur animal animals creature monster monsters book books newspaper magazine letter map photo
photos photograph picture pictures painting paintings portrait portraits drawing sketch
illustration poster image images film movie camera statue sculpture print photography selfie table
chair chairs bench sofa couch bed lamp mirror clock watch phone telephone computer laptop screen
television radio keyboard piano guitar violin drum trumpet instrument bottle glass cup mug plate
bowl knife fork spoon pot pan basket box bag backpack suitcase umbrella cane stick rope chain key
lock coin money sword shield armor armour gun bow arrow flag candle lantern torch toy doll ball
balloon kite gift dress dresses shirt shirts blouse skirt coat coats jacket jackets suit suits
tuxedo sweater hoodie jeans pants trousers shorts uniform robe robes cloak cape scarf veil hat
hats cap helmet crown mask glasses sunglasses gloves glove shoe shoes boot boots sandals socks
belt tie apron costume clothes clothing outfit fabric silk leather cotton wool denim lace jewelry
necklace ring rings earrings bracelet food bread cake cheese fruit apple apples orange banana
lemon grape tomato rice soup meat steak egg eggs milk coffee tea wine beer whisky juice chocolate
ice-cream pizza noodles spice curry background backdrop foreground light lights lighting lamp
shadow shadows color colors colour colours style texture pattern frame border scene scenery view
atmosphere mood tone tones machine robot robots tool tools hammer saw brick bricks wood metal
steel iron gold silver paper plastic board sign pole fence gate well fountain grave ruins monument
market stall tradition culture music song dance game festival party wedding ceremony age era
century time elephants ocean sea restaurant cuisine architecture temple rug carpet vase pottery
lantern collar belt horse pearl pearls diamond chess piano marble
""")
"""Nouns for what is not a person: `old house` says nothing about anybody."""

BODY = words("""
haired eyed faced legged handed bodied face faces body bodies hand hands head features appearance
smile looks cheek cheeks forehead chin hair eyes arm arms leg legs skin
""")
"""Parts of a person: `an old face` is about somebody."""

SKIN = words("skin skinned complexion skintone complected face faces")
PORTRAITS = words("portrait portraits headshot selfie mugshot face faces body")
"""Words that promise a person where no noun names one."""

NOT_PERSONS = (
    "indian ocean",
    "old town",
    "old school",
    "old fashioned",
    "old master",
    "old masters",
    "new old stock",
    "age old",
    "black and white",
    "king size",
    "king cobra",
    "lady bug",
    "queen size",
    "king bed",
    "queen bed",
    "god rays",
    "middle ages",
    "middle east",
    "asian elephant",
    "african elephant",
    "african violet",
    "indian summer",
    "indian ink",
    "indian elephant",
    "european union",
    "white house",
    "german shepherd",
    "german shepherds",
    "dark ages",
)
"""Phrases with a declared word that are never about a person."""

NAMES = words("""
james john robert michael william david richard joseph thomas charles christopher daniel matthew
anthony donald steven paul andrew joshua kenneth kevin brian george edward ronald timothy jason
jeffrey ryan jacob gary nicholas eric jonathan stephen larry justin scott brandon benjamin samuel
gregory alexander patrick jack dennis jerry tyler aaron jose adam nathan henry douglas zachary
peter kyle noah ethan jeremy walter christian keith roger terry austin sean gerald carl harold
dylan arthur lawrence jordan jesse bryan billy bruce gabriel joe logan alan juan elijah willie
albert wayne randy mason vincent liam roy bobby caleb bradley russell lucas luke oliver oscar hugo
felix mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty
sandra margaret ashley kimberly emily donna michelle carol amanda melissa deborah stephanie
rebecca sharon laura cynthia dorothy amy kathleen angela shirley emma brenda pamela nicole anna
samantha katherine christine debra rachel carolyn janet maria catherine heather diane olivia julie
joyce victoria ruth virginia lauren kelly christina joan evelyn judith andrea hannah megan cheryl
jacqueline martha madison teresa gloria sara janice ann kathryn abigail sophia frances jean alice
judy isabella julia denise amber danielle marilyn beverly charlotte natalie theresa diana brittany
doris kayla alexis lori marie sofia chloe zoe lucy ella mia ava claire mohammed muhammad ahmed ali
omar hassan ibrahim fatima aisha khadija yusuf layla leila wei ming xiao mei ling hiroshi yuki
sakura kenji akira haruto jin minjun soo jisoo nguyen linh raj priya arjun deepak anjali sanjay
lakshmi ravi ananya rahul vijay sunita carlos miguel luis diego javier fernando alejandro
guadalupe rosa carmen lucia pedro pablo ivan dmitri sergei vladimir natasha olga tatiana svetlana
boris igor kwame amara chidi ngozi oluwaseun thandiwe sipho zuri jamal latoya deshawn lakisha
tyrone hans fritz klaus heidi greta ingrid bjorn lars sven astrid pierre jacques giovanni luigi
francesca giulia
""")
"""First names that are hardly ever another word."""

SURNAMES = words("""
smith johnson williams brown jones miller davis wilson anderson taylor thomas moore jackson martin
thompson white harris clark lewis robinson walker hall allen young king wright scott hill green
adams baker nelson carter mitchell turner parker evans edwards collins stewart morris cook rogers
""")
"""Surnames of people of every origin: left after a title (`mr. smith`), refused elsewhere."""

TITLES = words("mr mrs ms miss mister dr doctor prof professor captain sir madam")

ORIGINS = words("""
american americans british english englishman scottish irish welsh french german dutch belgian
swiss austrian italian spanish portuguese greek turkish polish russian ukrainian czech hungarian
romanian bulgarian serbian croatian swedish norwegian danish finnish icelandic nordic scandinavian
slavic chinese japanese korean thai vietnamese filipino filipina malaysian indonesian mongolian
tibetan taiwanese cambodian burmese nepalese pakistani bangladeshi punjabi tamil bengali iranian
persian iraqi syrian lebanese israeli palestinian saudi arab arabs arabic arabian egyptian
moroccan algerian tunisian libyan kurdish afghan nigerian kenyan ethiopian somali ghanaian
senegalese congolese zulu maasai sudanese ugandan mexican brazilian colombian argentinian chilean
peruvian cuban haitian jamaican dominican venezuelan latino latina latinos latinas latinx hispanic
hispanics chicano aboriginal maori polynesian hawaiian inuit cherokee navajo apache canadian
australian jewish muslim hindu sikh roma gypsy creole mulatto mestizo biracial multiracial
""")
"""Origins finer than, or beside, the declared values of ethnicity."""

GENDER_MARKS = (
    "beard",
    "beards",
    "bearded",
    "beardless",
    "moustache",
    "moustached",
    "mustache",
    "mustached",
    "stubble",
    "stubbled",
    "stubbly",
    "goatee",
    "sideburns",
    "mutton chops",
    "five o'clock shadow",
    "five oclock shadow",
    "o'clock shadow",
    "oclock shadow",
    "santa",
    "santa claus",
    "5 o'clock shadow",
    "facial hair",
    "clean shaven",
    "unshaven",
    "adam's apple",
    "pregnant",
    "pregnancy",
    "maternity",
    "breastfeeding",
    "breast",
    "breasts",
    "bosom",
    "bust",
    "busty",
    "cleavage",
    "buxom",
    "bra",
    "hijab",
    "niqab",
    "burqa",
    "pigtails",
    "womanly",
    "manly",
    "girly",
    "girlish",
    "boyish",
    "ladylike",
    "effeminate",
    "womanhood",
    "manhood",
    "motherly",
    "motherhood",
    "fatherly",
    "fatherhood",
    "maternal",
    "paternal",
    "sisterhood",
    "brotherhood",
    "brotherly",
    "sisterly",
    "tomboy",
    "transgender",
    "nonbinary",
    "non binary",
    "lesbian",
    "gay",
    "androgynous",
)
AGE_MARKS = (
    "baby",
    "babies",
    "infant",
    "infants",
    "newborn",
    "toddler",
    "toddlers",
    "preschooler",
    "teenager",
    "teenagers",
    "teen",
    "teens",
    "teenage",
    "adolescent",
    "adolescents",
    "juvenile",
    "preteen",
    "tween",
    "youthful",
    "ageing",
    "aging",
    "wrinkled",
    "wrinkles",
    "wrinkly",
    "grizzled",
    "gray haired",
    "grey haired",
    "gray hair",
    "grey hair",
    "white haired",
    "white hair",
    "silver haired",
    "silver hair",
    "balding",
    "retired",
    "retiree",
    "octogenarian",
    "nonagenarian",
    "centenarian",
    "septuagenarian",
    "millennial",
    "childhood",
    "childlike",
    "twenties",
    "thirties",
    "forties",
    "fifties",
    "sixties",
    "seventies",
    "eighties",
    "nineties",
    "geriatric",
)
SKIN_MARKS = (
    "albino",
    "freckles",
    "freckled",
    "melanin",
    "ebony",
    "suntanned",
    "sunburnt",
    "sunburned",
    "swarthy",
    "ivory skin",
    "porcelain skin",
    "vitiligo",
)
ETHNICITY_MARKS = (
    "dreadlocks",
    "cornrows",
    "middle eastern",
    "native american",
    "native americans",
    "first nations",
    "pacific islander",
    "mixed race",
)

FOREIGN = words("""
femme femmes homme hommes fille garcon mujer mujeres hombre hombres chica chico senora senor
senorita frau frauen mann maenner maedchen junge mutter vater donna donne uomo uomini ragazza
ragazzo signora signore mulher homem menina menino vrouw meisje jongen mademoiselle madame
monsieur vieja viejo joven vieille vieux alten junger giovane vecchia vecchio velha velho
""")
"""Other languages' nouns and adjectives for persons."""

FOREIGN_FUNCTION = words("""
un une le la les des du et avec dans sur sous chez est qui que pour par ses leur ein eine einer
einem einen der das den dem und mit im auf unter ihr ihrem ihren sein seinem ist el los las una
unos y con su sus en por para que es del al il lo gli nel nella con di e della sul suo sua um uma
os com seu seus no na da do een het met haar zijn op van
""") - words("a no do")
"""Function words of other languages that are no English words."""
