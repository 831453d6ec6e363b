"""Languages by their ISO 639 code.

Two letters (ISO 639-1) where a language has such a code, else three (ISO 639-2), as BCP 47 has it (RFC 5646,
section 2.2.1). Recognised are both kinds of code, also those of three letters that come from the English name
(`ger`, `fre`), English names, and tags with a region (`en_US`, `pt-BR`), whose region is dropped.

The 7,900 codes of ISO 639-3 are not here: few catalogues use them, and the text stays.
"""

from __future__ import annotations

import re

# code, three-letter codes = English names; from ISO 639-2, the list of its registration authority:
# https://www.loc.gov/standards/iso639-2/php/code_list.php
_TWO_LETTERS = """
aa aar = Afar; ab abk = Abkhazian; ae ave = Avestan; af afr = Afrikaans; ak aka = Akan; am amh = Amharic;
an arg = Aragonese; ar ara = Arabic; as asm = Assamese; av ava = Avaric; ay aym = Aymara;
az aze = Azerbaijani; ba bak = Bashkir; be bel = Belarusian; bg bul = Bulgarian; bh bih; bi bis = Bislama;
bm bam = Bambara; bn ben = Bengali; bo bod tib = Tibetan; br bre = Breton; bs bos = Bosnian;
ca cat = Catalan / Valencian; ce che = Chechen; ch cha = Chamorro; co cos = Corsican; cr cre = Cree;
cs ces cze = Czech;
cu chu = Church Slavic / Old Slavonic / Church Slavonic / Old Bulgarian / Old Church Slavonic;
cv chv = Chuvash; cy cym wel = Welsh; da dan = Danish; de deu ger = German;
dv div = Divehi / Dhivehi / Maldivian; dz dzo = Dzongkha; ee ewe = Ewe; el ell gre = Greek;
en eng = English; eo epo = Esperanto; es spa = Spanish / Castilian; et est = Estonian;
eu eus baq = Basque; fa fas per = Persian; ff ful = Fulah; fi fin = Finnish; fj fij = Fijian;
fo fao = Faroese; fr fra fre = French; fy fry = Western Frisian; ga gle = Irish;
gd gla = Gaelic / Scottish Gaelic; gl glg = Galician; gn grn = Guarani; gu guj = Gujarati; gv glv = Manx;
ha hau = Hausa; he heb = Hebrew; hi hin = Hindi; ho hmo = Hiri Motu; hr hrv = Croatian;
ht hat = Haitian / Haitian Creole; hu hun = Hungarian; hy hye arm = Armenian; hz her = Herero;
ia ina = Interlingua; id ind = Indonesian; ie ile = Interlingue / Occidental; ig ibo = Igbo;
ii iii = Sichuan Yi / Nuosu; ik ipk = Inupiaq; io ido = Ido; is isl ice = Icelandic; it ita = Italian;
iu iku = Inuktitut; ja jpn = Japanese; jv jav = Javanese; ka kat geo = Georgian; kg kon = Kongo;
ki kik = Kikuyu / Gikuyu; kj kua = Kuanyama / Kwanyama; kk kaz = Kazakh;
kl kal = Kalaallisut / Greenlandic; km khm = Central Khmer; kn kan = Kannada; ko kor = Korean;
kr kau = Kanuri; ks kas = Kashmiri; ku kur = Kurdish; kv kom = Komi; kw cor = Cornish;
ky kir = Kirghiz / Kyrgyz; la lat = Latin; lb ltz = Luxembourgish / Letzeburgesch; lg lug = Ganda;
li lim = Limburgan / Limburger / Limburgish; ln lin = Lingala; lo lao = Lao; lt lit = Lithuanian;
lu lub = Luba-Katanga; lv lav = Latvian; mg mlg = Malagasy; mh mah = Marshallese; mi mri mao = Maori;
mk mkd mac = Macedonian; ml mal = Malayalam; mn mon = Mongolian; mr mar = Marathi; ms msa may = Malay;
mt mlt = Maltese; my mya bur = Burmese; na nau = Nauru; nb nob = Norwegian Bokmål; nd nde = North Ndebele;
ne nep = Nepali; ng ndo = Ndonga; nl nld dut = Dutch / Flemish; nn nno = Norwegian Nynorsk;
no nor = Norwegian; nr nbl = South Ndebele; nv nav = Navajo / Navaho; ny nya = Chichewa / Chewa / Nyanja;
oc oci = Occitan / Provençal; oj oji = Ojibwa; om orm = Oromo; or ori = Oriya;
os oss = Ossetian / Ossetic; pa pan = Panjabi / Punjabi; pi pli = Pali; pl pol = Polish;
ps pus = Pushto / Pashto; pt por = Portuguese; qu que = Quechua; rm roh = Romansh; rn run = Rundi;
ro ron rum = Romanian / Moldavian / Moldovan; ru rus = Russian; rw kin = Kinyarwanda; sa san = Sanskrit;
sc srd = Sardinian; sd snd = Sindhi; se sme = Northern Sami; sg sag = Sango; si sin = Sinhala / Sinhalese;
sk slk slo = Slovak; sl slv = Slovenian; sm smo = Samoan; sn sna = Shona; so som = Somali;
sq sqi alb = Albanian; sr srp = Serbian; ss ssw = Swati; st sot; su sun = Sundanese; sv swe = Swedish;
sw swa = Swahili; ta tam = Tamil; te tel = Telugu; tg tgk = Tajik; th tha = Thai; ti tir = Tigrinya;
tk tuk = Turkmen; tl tgl = Tagalog; tn tsn = Tswana; to ton = Tonga; tr tur = Turkish; ts tso = Tsonga;
tt tat = Tatar; tw twi = Twi; ty tah = Tahitian; ug uig = Uighur / Uyghur; uk ukr = Ukrainian;
ur urd = Urdu; uz uzb = Uzbek; ve ven = Venda; vi vie = Vietnamese; vo vol = Volapük; wa wln = Walloon;
wo wol = Wolof; xh xho = Xhosa; yi yid = Yiddish; yo yor = Yoruba; za zha = Zhuang / Chuang;
zh zho chi = Chinese; zu zul = Zulu
"""
_THREE_LETTERS = """
ace ach ada ady afa afh ain akk ale alg alt ang anp apa arc arn arp art arw ast ath aus awa bad bai bal
ban bas bat bej bem ber bho bik bin bla bnt bra btk bua bug byn cad cai car cau ceb cel chb chg chk chm
chn cho chp chr chy cmc cnr cop cpe cpf cpp crh crp csb cus dak dar day del den dgr din doi dra dsb dua
dum dyu efi egy eka elx enm ewo fan fat fil fiu fon frm fro frr frs fur gaa gay gba gem gez gil gmh goh
gon gor got grb grc gsw gwi hai haw hil him hit hmn hsb hup iba ijo ilo inc ine inh ira iro jbo jpr jrb
kaa kab kac kam kar kaw kbd kha khi kho kmb kok kos kpe krc krl kro kru kum kut lad lah lam lez lol loz
lua lui lun luo lus mad mag mai mak man map mas mdf mdr men mga mic min mis mkh mnc mni mno moh mos mul
mun mus mwl mwr myn myv nah nai nap nds new nia nic niu nog non nqo nso nub nwc nym nyn nyo nzi osa ota
oto paa pag pal pam pap pau peo phi phn pon pra pro raj rap rar roa rom rup sad sah sai sal sam sas sat
scn sco sel sem sga sgn shn sid sio sit sla sma smi smj smn sms snk sog son srn srr ssa suk sus sux syc
syr tai tem ter tet tig tiv tkl tlh tli tmh tog tpi tsi tum tup tut tvl tyv udm uga umb und vai vot wak
wal war was wen xal yao yap ypk zap zbl zen zgh znd zun zxx zza
"""


def _table() -> dict[str, str]:
    """Every code and name in lower case, with the code to use."""
    table = {code: code for code in _THREE_LETTERS.split()}
    for row in " ".join(_TWO_LETTERS.split()).split("; "):
        codes, _, names = row.partition(" = ")
        preferred = codes[:2]
        table |= dict.fromkeys(codes.split(), preferred)
        table |= {name.lower(): preferred for name in names.split(" / ") if name}
    return table


_CODES = _table()
_TAG = re.compile(r"([A-Za-z]{2,3})[-_][A-Za-z0-9_-]{2,}")


def recognise(text: str) -> str | None:
    """The ISO 639 code of the language that a text names; None where it names none, or several.

    >>> recognise("en_US"), recognise("ger"), recognise("Dutch"), recognise("grc"), recognise("en fr")
    ('en', 'de', 'nl', 'grc', None)
    """
    if code := _CODES.get(text.lower()):
        return code
    match = _TAG.fullmatch(text)
    return _CODES.get(match[1].lower()) if match else None
