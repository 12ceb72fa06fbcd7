"""Words that everybody tries first: in passwords worldwide, in the page's languages, and around a linac.

What is left of a password without them must still be enough (passwords.weakness), so the list need not have
every way to decorate them. Lower case, without digits or signs at the ends.
"""

_EVERYWHERE = """
password passw0rd letmein welcome iloveyou monkey dragon football baseball superman batman master
shadow sunshine princess trustno michael jessica charlie ashley secret starwars freedom whatever
computer internet samsung changeme default temporary example testtest access login user guest root
admin administrator administrador administrateur manager operator service support system server
summer winter spring autumn monday friday january december qwerty qwertz azerty asdfgh zxcvbn
qazwsx qweasd google facebook linkedin pokemon liverpool chelsea arsenal barcelona cristiano ronaldo
corona covid november october september february march april june july august thomas jordan
"""

# French, Spanish, Portuguese, German.
_LANGUAGES = """
motdepasse bonjour soleil doudou chouchou marseille bienvenue amour contrasena contraseña hola
bienvenido bienvenida teamo tequiero realmadrid senha bemvindo benfica flamengo brasil portugal
france espana españa mexico argentina passwort willkommen hallo schatz geheim verano invierno
"""

_HERE = """
dicom gateway edge linac hospital clinic clinique clinica clínica klinik radiotherapy radiotherapie
radiotherapy radioterapia oncology oncologie oncologia oncología radiology radiation therapy
treatment patient physics physicist dosimetry dosimetrist varian elekta truebeam halcyon ethos
versa unity mosaiq aria pinnacle raystation monaco eclipse siemens philips orthanc pacs raspberry
cancer doctor nurse medical medicine health
"""

COMMON = frozenset((_EVERYWHERE + _LANGUAGES + _HERE).split())
