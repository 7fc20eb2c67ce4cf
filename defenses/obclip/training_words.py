"""Labelled words beyond the lists of the rules, for training the detector only."""

from __future__ import annotations

from .vocabulary import words

GENDERED = words("""
nana gran grandmom granddaddy pa papa pops moms dads mums bro bros sis homeboy homegirl boyfriends
girlfriends dudes guys chaps blokes lads lasses gents ladies uncles nephews nieces daughters wench
hussy harlot prostitute stripper femme diva divas ballerina ballerinas soprano mezzo baritone
tenor countertenor womanizer philanderer womanhood heartthrob stepparent bridal widowhood
transvestite drag pharaoh pasha emir caliph sheik ayatollah brahmin maharajah ranee infante
archbishop deacon cardinal padre geezers feminine masculine girlie boyishly manliness tomboy
spinster bachelor patriarchal matriarchal sorority fraternity lesbian gay bisexual chivalrous
motherland stepdaughter stepson stepsister stepbrother godfather godmother godson goddaughter
monsieur signora senora senor fraulein squire knave bachelors maid maids maidens nanny wench
handmaiden seamstress milkmaid housewife housewives househusband breadwinner playboy cowboys
cowgirls showgirl showgirls cheerleader cheerleaders choirboy choirboys bellboy newsboy paperboy
busboy salesgirl callgirl tsar tsarina czar kaiser emperor emperors sultan sultana shah maharaja
viscount viscountess marquis marquess earl baronet dauphin infanta abbess abbot friar friars monks
nuns priestess priestesses huntress enchantress seductress temptress murderess poetess songstress
governess mistress mistresses headmistress headmaster lord lords ladyship lordship sire sires
pregnant childbirth menstruation menopause ovarian uterus prostate testosterone estrogen virility
beards bearded mustachioed whiskered shaven stubbled goatees womanhood manhood fatherhood
""")
AGED = words("""
kiddo kiddos brat brats rugrat youngun boyhood girlhood childhood oldest eldest youngest firstborn
teenagehood highschooler highschoolers kindergarten preschoolers schoolgirls schoolboys schoolboy
schoolgirl granny grannies oldtimers forefathers ancestor ancestors geriatrics dementia alzheimer
arthritic decrepit bedridden menopausal puberty pubertal prepubescent nursling suckling foundling
adolescence adolescent teenaged toddlers babyish newborns infancy infantile schoolchild
schoolchildren preschool kindergartner kindergartners juvenile juveniles underage youthful youths
youngsters sophomore freshman elderly octogenarians nonagenarian pensioners retirees retired
senile senility geriatric aged ageing centenarians grandparent twentysomething thirtysomething
fortysomething sixtysomething fiftyish wizened wrinkly doddering venerable
""")
ORIGINS_MORE = words("""
nationality anglo anglos saxon celtic basque catalan andalusian sicilian bavarian prussian
siberian georgian armenian azerbaijani kazakh uzbek turkmen tajik kyrgyz uighur manchu cantonese
mandarin hmong khmer javanese balinese sinhalese gujarati marathi malayali telugu kashmiri sindhi
pashtun baloch bedouin berber tuareg nubian yoruba igbo hausa ashanti xhosa tswana shona hutu
tutsi swahili liberian zimbabwean zambian angolan mozambican malagasy mauritian ivorian malian
gambian rwandan quechua aymara guarani mayan aztec mapuche bolivian ecuadorian uruguayan
paraguayan panamanian honduran guatemalan salvadoran nicaraguan trinidadian barbadian bahamian
belizean estonian latvian lithuanian belarusian moldovan albanian macedonian bosnian montenegrin
slovak slovenian maltese cypriot jordanian kuwaiti qatari yemeni omani emirati samoan tongan
fijian papuan melanesian micronesian caucasian caucasians african africans asian asians european
europeans latin orthodox catholic protestant buddhist muslims jews hindus sikhs
""")
PERSONS_MORE = words("""
ambassador ambassadors analyst analysts announcer antiquarian archaeologist archaeologists
astrologer auctioneer auditor bachelor bassist beekeeper blacksmith bodyguard botanist broadcaster
broker bricklayer bystander bystanders candidate caretaker cartographer caterer choreographer
cleaner cobbler collector columnist commander commentator conservationist constable contractor
cosmonaut counselor courier crewmember curator custodian cyclists dealer decorator delegate
demonstrator dermatologist director docent donor draftsperson economist educator electrician elf
embroiderer entomologist evangelist examiner farmhand fighter filmmaker financier fireman florist
forester foreigner founder gambler geographer gladiator glassblower goldsmith guardian guide
gunner handyman herder hermit hitchhiker horticulturist humanitarian inmate inspector instructor
interpreter inventor jeweler jockey joiner laborer landscaper linguist lifeguard locksmith logger
lumberjack machinist mason mathematician mentor mercenary minstrel missionary monarch mountaineer
narrator naturalist navigator negotiator neurologist newcomer nomad notary novice nutritionist
operator optician orator orderly organizer orphan orphans outlaw paleontologist paramedics
parishioner peasant peasants pediatrician pharmacist physician physicians physiotherapist
playwright porter postgraduate potter preacher principal proprietor prosecutor psychiatrist
publisher puppeteer radiologist rancher receptionist recruit refugee refugees registrar restorer
roofer rower saddler salesperson scavenger scribe settler sharpshooter sheriff shopper shoppers
shoemaker showjumper skateboarder smith smuggler sniper snowboarder sommelier spectator spectators
sportsperson statistician stonemason storyteller stylist superintendent supervisor surveyor tailor
tanner taxidermist teammate tenant toymaker trainee trainer translator trapper treasurer trekker
trombonist trumpeter typist umpire undertaker usher valet vegan veterinarian vicar viewer villager
villagers violist waitstaff watchmaker weaver webmaster whistleblower windsurfer woodcarver
woodcutter worshiper yogi youtuber zoologist
""")
OTHERS_MORE = words("""
admire admires admiring arrive arrives arriving bake bakes baking bite bites biting blow blowing
blows bounce bounces bouncing bow bowing bows bring bringing brings build building builds burn
burning burns buy buying buys call calling calls camp camping camps carries carry carrying carve
carves carving catch catches catching celebrate celebrates celebrating chase chases chasing chew
chewing chews clean cleaning cleans climb climbing climbs close closes closing comfort comforting
comforts cook cooking cooks count counting counts cries cross crosses crossing cry crying cuting
cuts cycle cycles cycling dance dances dancing dive dives diving draw drawing draws dream dreaming
dreams drink drinking drinks drip driping drips drive drives driving eat eating eats embrace
embraces embracing enjoy enjoying enjoys enter entering enters escape escapes escaping fall
falling falls feed feeding feeds feel feeling feels fight fighting fights film filming films find
finding finds fishes fishing fix fixes fixing flies float floating floats flow flowing flows fly
flying fold folding folds follow following follows freeze freezes freezing fries fry frying gather
gathering gathers gaze gazes gazing give gives giving glide glides gliding glow glowing glows
greet greeting greets grow growing grows guarding hang hanging hangs harvest harvesting harvests
heal healing heals hear hearing hears help helping helps hide hides hiding hike hikes hiking
hiting hits hold holding holds hover hovering hovers hug huging hugs hunt hunting hunts join
joining joins jump jumping jumps kick kicking kicks kiss kisses kissing kneel kneeling kneels knit
kniting knits laugh laughing laughs lead leading leads lean leaning leans learn learning learns
leave leaves leaving lick licking licks lie lies lift lifting lifts liing listen listening listens
load loading loads look looking looks lose loses losing love loves loving march marches marching
marries marry marrying meet meeting meets melt melting melts milking milks modeling nursing offer
offering offers open opening opens pack packing packs paint painting paints parade parades
parading pay paying pays perform performing performs photograph photographing photographs pick
picking picks plant planting plants play playing plays point pointing points pose poses posing
post posting posts pour pouring pours pray praying prays protect protecting protects pull pulling
pulls push pushes pushing read reading reads record recording records relax relaxes relaxing
rescue rescues rescuing rest resting rests ride rides riding rise rises rising roll rolling rolls
row rowing rows run runing runs sail sailing sails save saves saving sculpt sculpting sculpts
search searches searching see seeing sees sell selling sells serve serves serving sews share
shares sharing shine shines shining shout shouting shouts show showing shows sing singing sings
sit siting sits skate skates skating ski skiing skis sleep sleeping sleeps smell smelling smells
smile smiles smiling sniff sniffing sniffs speak speaking speaks spin spining spins stand standing
stands stare stares staring studies study studying swim swiming swims swing swinging swings take
takes taking talk talking talks taste tastes tasting teach teaches teaching text texting texts
think thinking thinks throw throwing throws tie ties tiing touch touches touching travel traveling
travels turn turning turns type types typing visit visiting visits wait waiting waits walk walking
walks wash washes washing watch watches watching wave waves waving wear wearing wears weave weaves
weaving weep weeping weeps whisper whispering whispers win wining wins work working works worship
worshiping worships wrap wraping wraps write writes writing beautiful pretty lovely elegant
graceful gorgeous stunning cute handsome happy sad angry calm serene smiling laughing crying
frowning thoughtful pensive serious confident shy tired sleepy brave strong weak tall short slim
thin fat muscular athletic healthy rich poor famous unknown mysterious friendly lonely wearing
holding carrying walking running standing sitting lying sleeping dancing singing playing reading
writing painting drawing cooking eating drinking looking watching staring waiting working talking
speaking listening riding driving flying swimming climbing jumping fighting praying kneeling
posing leaning pointing waving pulling pushing lifting throwing catching kicking hitting cutting
building repairing cleaning washing shopping selling buying teaching learning studying thinking
dreaming raises raising smiles laughs looks walks runs stands sits holds wears carries rides plays
reads red blue green yellow orange purple pink brown gray grey golden silver turquoise beige
crimson violet bright vivid pastel colorful monochrome dark pale glowing shiny soft sharp blurry
detailed intricate realistic photorealistic hyperrealistic cinematic dramatic moody ethereal
surreal abstract minimalist digital watercolor oil acrylic charcoal pencil ink vector anime
cartoon comic fantasy cyberpunk steampunk gothic baroque renaissance impressionist modern
contemporary vintage retro futuristic classic highly ultra quality masterpiece trending resolution
render rendering octane unreal bokeh depth focus lens aperture exposure closeup close wide angle
panoramic aerial macro studio natural ambient neon morning evening night noon dawn dusk sunset
sunrise midnight twilight spring summer autumn winter sunny cloudy rainy snowy foggy windy stormy
cold warm hot wet dry quiet busy crowded empty abandoned ruined large small big tiny huge giant
long short wide narrow round square curly straight wavy braided messy new fresh clean dirty broken
torn wooden metallic stony marble golden leather woolen knitted striped dotted floral plain
patterned transparent left right front side top bottom middle center corner edge upper lower next
very really slightly almost always never often sometimes together apart slowly quickly gently full
half whole double single first second third last many few several sunlit moonlit candlelit backlit
windswept ponytail braid bun curls bangs fringe freckle dimple eyebrow eyelash lashes lips nose
ears ear mouth teeth neck shoulder shoulders chest waist hips knee knees foot feet finger fingers
nail nails tattoo tattoos piercing makeup perfume handbag purse wallet backpack satchel briefcase
stethoscope microscope telescope wrench screwdriver shovel rake pitchfork axe spear lance staff
wand potion scroll quill ladder hose bucket broom mop sponge towel blanket pillow curtain carpet
rug cushion vase shelf drawer stove oven fridge kettle toaster blender microwave sink bathtub
shower toilet faucet tractor plough harvester bulldozer crane forklift scooter skateboard
surfboard sled skis snowboard canoe kayak raft yacht sailboat ferry submarine harbor port pier
lighthouse dock bay lagoon reef coral glacier iceberg volcano lava crater dune oasis swamp marsh
jungle savanna tundra prairie cliffside sunflower tulip lily orchid daffodil lavender poppy peony
dandelion cactus fern moss ivy vine bamboo cherry blossom petals branch trunk roots seed fruit
vegetable carrot potato onion garlic pepper salad sandwich burger pasta pizza sushi taco pancake
waffle donut cookie pie pudding candy jam honey skyline skyscraper apartment villa mansion
fortress monastery pagoda pyramid obelisk arch column dome balcony terrace courtyard patio porch
attic basement hallway corridor staircase elevator escalator classroom laboratory gallery stadium
arena gym pool playground zoo aquarium circus theatre cinema opera airport station platform
highway tunnel intersection crosswalk sidewalk pavement throne scepter kingdom royal royalty
coronation reign dynasty crowned noble court courtly regal majestic empire imperial colony
colonial marriage married engaged engagement honeymoon bouquet altar bridal divorce anniversary
birthday birth born arrest arrested murder convicted guilty jail prison trial sentence crime
criminal sermon abbey convent cross prayer praying worship holy sacred divine religious religion
faith church mosque synagogue temple shrine islam islamic christianity buddhism catholic bible
language languages republic minority immigration embassy province provinces territory territories
nation national international foreign native tribal tribe ethnic homeland independence revolution
government military army navy police force war battle peace political politics election economy
business company industry market trade money finance bank health medical medicine disease deaf
blind disabled injured wounded hospitalised patience soccer football rugby cricket baseball hockey
basketball tennis golf golfing boxing wrestling racing athletics gymnastics olympic league team
championship aquarius aries gemini virgo libra scorpio capricorn zodiac january february march
april may june july august september october november december monday tuesday wednesday thursday
friday saturday sunday week month year decade history historic historical prehistoric medieval
victorian edwardian antique leftwards rightwards upwards downwards forward backward sideways
diagonal vertical horizontal registered expressionless anguished confounded heeled education
educated junior retirement career employment job jobs labor work profession professional uniformed
title name named number address signature diploma certificate degree science scientific
engineering technology technical computer software hardware internet website email message signal
electricity energy power solar nuclear chemical biology physics mathematics geometry theory llama
orangutan gorilla chimpanzee koala kangaroo panda penguin parrot peacock flamingo ostrich pigeon
sparrow robin falcon hawk camel giraffe zebra hippo rhino leopard cheetah panther jaguar otter
beaver squirrel hedgehog hamster bat mole badger donkey mule pony stallion mare foal calf lamb
bull ox buffalo bison moose elk antelope gazelle crocodile alligator lizard gecko iguana tortoise
toad salamander octopus squid jellyfish crab lobster shrimp seal walrus salmon trout carp goldfish
ant beetle wasp mosquito dragonfly grasshopper caterpillar snail worm scorpion husky poodle corgi
terrier retriever bulldog dachshund labrador chihuahua paris london rome berlin madrid vienna
prague venice florence amsterdam brussels moscow istanbul athens lisbon dublin stockholm oslo
copenhagen helsinki warsaw budapest tokyo kyoto osaka seoul beijing shanghai bangkok hanoi jakarta
manila singapore delhi mumbai karachi tehran baghdad cairo nairobi lagos johannesburg casablanca
marrakech sydney melbourne auckland toronto vancouver montreal york chicago boston seattle miami
dallas houston denver detroit vegas hollywood brooklyn manhattan havana lima bogota santiago
buenos aires rio brasilia himalayas alps andes rockies sahara amazon nile danube thames seine
atlantic pacific mediterranean caribbean arctic antarctic africa asia europe america oceania
scandinavia china japan korea india russia france germany italy spain portugal england scotland
ireland wales britain greece turkey egypt israel iran iraq syria lebanon arabia morocco algeria
tunisia libya ethiopia kenya nigeria ghana senegal congo angola mexico cuba jamaica brazil
argentina chile peru bolivia colombia venezuela ecuador canada australia zealand indonesia
malaysia thailand vietnam cambodia philippines taiwan mongolia tibet nepal pakistan bangladesh
afghanistan kazakhstan ukraine poland sweden norway denmark finland iceland netherlands belgium
switzerland austria hungary romania bulgaria serbia croatia chessboard puzzle dice cards trophy
medal badge ribbon banner balloon fireworks confetti lanterns
""")
SURNAMES = words("""
obama trump clinton bush reagan nixon kennedy roosevelt churchill thatcher merkel sarkozy macron
putin gorbachev yeltsin lenin stalin hitler mussolini napoleon bonaparte caesar cleopatra gandhi
nehru mandela castro guevara mao deng einstein newton darwin galileo copernicus kepler curie tesla
edison feynman hawking freud nietzsche kant hegel marx engels plato aristotle socrates shakespeare
dickens tolstoy dostoevsky chekhov kafka goethe schiller voltaire rousseau hemingway orwell
rowling mozart beethoven bach chopin schubert brahms wagner verdi puccini tchaikovsky stravinsky
lennon mccartney bowie jagger madonna beyonce rihanna gaga shakira elvis presley sinatra dylan
messi ronaldo maradona pele beckham federer nadal djokovic schumacher bolt phelps tyson ali
chaplin hepburn monroe bardot brando dicaprio pitt jolie clooney streep kidman hanks spielberg
hitchcock kubrick tarantino smith johnson williams brown jones garcia miller davis rodriguez
martinez hernandez lopez gonzalez wilson anderson taylor jackson moore thompson ramirez clark
lewis robinson walker singh kumar sharma patel gupta khan hussain chowdhury wang zhang chen yang
huang zhao tanaka suzuki takahashi watanabe kim park choi jung nguyen tran pham mueller schmidt
schneider fischer weber rossi ferrari bianchi dubois lefebvre moreau ivanov petrov sidorov
kowalski novak horvat okafor mensah diallo
""") - words("bush brown bolt park young ferrari pitt")
