"""Find the ISO 639 code of a language.

The code has two letters (ISO 639-1) if the language has such a code, else three (ISO 639-2), as in BCP 47 (RFC 5646,
section 2.2.1). Recognized are: codes of two and of three letters, including the bibliographic ones (`ger`, `fre`);
English names; and language tags (`en_US`, `zh-Hant-TW`). Of a tag, only the language is kept.

A tag is recognized only if the rest of it is a script, a region or a variant that exists. Otherwise `non-English`
would be Old Norse (`non`), and `no-text` Norwegian.

The 7,900 codes of ISO 639-3 are not recognized. Few sources use them, and the document keeps the text.

The table is ours and not that of a library, so that a document changes only with the version of its transformer:
docs/decisions/0023. A test compares it with a library.
"""

from __future__ import annotations

import re

# Two-letter code, three-letter codes = English names. From the list of the registration authority of ISO 639-2:
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


# ISO 3166-1, https://www.iso.org/obp/ui/, and UK, which many people write.
_REGION_CODES = """
ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz ca cc
cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et fi fj fk fm fo fr ga gb gd ge
gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km
kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz
na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh
si sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk um us uy uz va vc ve
vg vi vn vu wf ws ye yt za zm zw
"""
_REGIONS = frozenset(_REGION_CODES.split())
# The codes of ISO 15924 for scripts in use, and the registered variants of BCP 47 that sources send:
# https://www.iana.org/assignments/language-subtag-registry
_SCRIPT = (
    "adlm|arab|armn|beng|brai|cans|cher|copt|cyrl|deva|ethi|geor|grek|gujr|guru|hang|hans|hant|hebr|hira|jpan|kana|khmr"
    "|knda|kore|laoo|latf|latn|mlym|mong|mymr|nkoo|olck|orya|sinh|syrc|taml|telu|tfng|thaa|thai|tibt|vaii|yiii|zxxx|zyyy"
)
_VARIANT = (
    "[0-9][a-z0-9]{3}|ekavsk|fonipa|hepburn|ijekavsk|monoton|oxendict|pinyin|polyton|rozaj|scotland|tarask|valencia"
    "|wadegile"
)
# Languages with extended subtags, such as `zh-yue`: RFC 5646, section 2.2.2.
_MACROLANGUAGES = frozenset({"ar", "ms", "sgn", "sw", "uz", "zh"})


def _table() -> dict[str, str]:
    """Return the code for each code and each name in lower case."""
    table = {code: code for code in _THREE_LETTERS.split()}
    for row in " ".join(_TWO_LETTERS.split()).split("; "):
        codes, _, names = row.partition(" = ")
        preferred = codes[:2]
        table |= dict.fromkeys(codes.split(), preferred)
        table |= {name.lower(): preferred for name in names.split(" / ") if name}
    return table


_CODES = _table()
# RFC 5646, section 2.1, with underscores too: language, extended language, script, region, variants, extensions.
_TAG = re.compile(
    rf"(?P<language>[a-z]{{2,3}})(?:[-_](?P<extended>[a-z]{{3}}))?(?:[-_](?:{_SCRIPT}))?"
    rf"(?:[-_](?:(?P<region>[a-z]{{2}})|[0-9]{{3}}))?(?:[-_](?:{_VARIANT}))*(?:[-_][tux](?:[-_][a-z0-9]{{1,8}})+)?",
    re.IGNORECASE | re.ASCII,
)


def language_code(text: str) -> str | None:
    """Return the ISO 639 code of the language that a text names; None if it names none, or several.

    >>> language_code("en_US"), language_code("ger"), language_code("Dutch"), language_code("non-English")
    ('en', 'de', 'nl', None)
    """
    if code := _CODES.get(text.lower()):
        return code
    match = _TAG.fullmatch(text.lower())
    code = _CODES.get(match["language"]) if match else None
    return code if match and _exists(code, match["extended"], match["region"]) else None


def _exists(language: str | None, extended: str | None, region: str | None) -> bool:
    """Return whether these parts of a tag exist. `zh-eng` has no extended language: it names two languages."""
    if extended and (language not in _MACROLANGUAGES or extended in _CODES):
        return False
    return region is None or region in _REGIONS
