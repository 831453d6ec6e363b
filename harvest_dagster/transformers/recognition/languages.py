"""Find the ISO 639-3 code of a language.

Recognized are: all codes of ISO 639-3; codes of two letters (ISO 639-1); bibliographic codes (`ger`, `fre`) and codes
that were withdrawn without a change of meaning (`scr`, `iw`); English names; and language tags (`en_US`,
`zh-Hant-TW`). Of a tag, only the language is kept. A macrolanguage keeps its code: `zh` is `zho`, `no` is `nor`.

Groups of languages have no code in ISO 639-3. They keep the code of ISO 639-2: `sla` (Slavic), `bih` (Bihari).

A tag is recognized only if the rest of it is a script, a region or a variant that exists. Otherwise `non-English`
would be Old Norse (`non`), and `no-text` Norwegian.

Many languages have the name of a word, a person or a place ("Male", "Laura", "Alabama"). A name is therefore a
language only where the source gives a language, and ordinary words are not names at all: docs/decisions/0064.

The languages and their names are those of the IANA Language Subtag Registry, in languages.tsv. It has a subtag for each
language of ISO 639-3: the code of ISO 639-1 if there is one, and otherwise that of ISO 639-3. The table is ours and not
that of a library, so that a document changes only with the version of its transformer: docs/decisions/0023. A test
compares it with a library.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache, lru_cache
from importlib import resources

# Code of ISO 639-1, code of ISO 639-3, other codes = English names. From the list of the registration authority of ISO
# 639-2, https://www.loc.gov/standards/iso639-2/php/code_list.php. `bih` is a group of languages.
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
ha hau = Hausa; he heb iw = Hebrew; hi hin = Hindi; ho hmo = Hiri Motu; hr hrv scr = Croatian;
ht hat = Haitian / Haitian Creole; hu hun = Hungarian; hy hye arm = Armenian; hz her = Herero;
ia ina = Interlingua; id ind = Indonesian; ie ile = Interlingue / Occidental; ig ibo = Igbo;
ii iii = Sichuan Yi / Nuosu; ik ipk = Inupiaq; io ido = Ido; is isl ice = Icelandic; it ita = Italian;
iu iku = Inuktitut; ja jpn = Japanese; jv jav jw = Javanese; ka kat geo = Georgian; kg kon = Kongo;
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
ro ron rum mo mol = Romanian / Moldavian / Moldovan; ru rus = Russian; rw kin = Kinyarwanda; sa san = Sanskrit;
sc srd = Sardinian; sd snd = Sindhi; se sme = Northern Sami; sg sag = Sango; si sin = Sinhala / Sinhalese;
sk slk slo = Slovak; sl slv = Slovenian; sm smo = Samoan; sn sna = Shona; so som = Somali;
sq sqi alb = Albanian; sr srp scc = Serbian; sh hbs = Serbo-Croatian; ss ssw = Swati; st sot;
su sun = Sundanese; sv swe = Swedish;
sw swa = Swahili; ta tam = Tamil; te tel = Telugu; tg tgk = Tajik; th tha = Thai; ti tir = Tigrinya;
tk tuk = Turkmen; tl tgl = Tagalog; tn tsn = Tswana; to ton = Tonga; tr tur = Turkish; ts tso = Tsonga;
tt tat = Tatar; tw twi = Twi; ty tah = Tahitian; ug uig = Uighur / Uyghur; uk ukr = Ukrainian;
ur urd = Urdu; uz uzb = Uzbek; ve ven = Venda; vi vie = Vietnamese; vo vol = Volapük; wa wln = Walloon;
wo wol = Wolof; xh xho = Xhosa; yi yid ji = Yiddish; yo yor = Yoruba; za zha = Zhuang / Chuang;
zh zho chi = Chinese; zu zul = Zulu
"""
# Groups of languages in ISO 639-2.
_GROUPS = """
afa alg apa art ath aus bad bai bat ber bnt btk cai cau cel cmc cpe cpf cpp crp cus day dra fiu gem him ijo
inc ine ira iro kar khi kro map mkh mno mun myn nah nai nic nub oto paa phi pra roa sai sal sem sgn sio sit
sla smi son ssa tai tup tut wak wen ypk znd
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


@cache
def _codes() -> dict[str, str]:
    """Return the code for each code, and for each name in lower case."""
    rows = _read_table()
    table = {code: code for code in (*_GROUPS.split(), *(code for code, _, _ in rows))}
    names = {name.lower(): code for code, _, name in rows if name}
    # Two languages may differ only in what follows: "Maria (India)", "Maria (Papua New Guinea)".
    unqualified = Counter(_unqualified(name) for name in names)
    table |= {
        _unqualified(name): code for name, code in names.items() if unqualified[_unqualified(name)] == 1
    }
    table |= names
    for codes, own_names in _two_letters():
        table |= dict.fromkeys((*codes, *(name.lower() for name in own_names)), codes[1])
    return table


@cache
def _two_letters() -> tuple[tuple[list[str], list[str]], ...]:
    """Return the codes and the names of each language that has a code of two letters."""
    rows = (row.partition(" = ") for row in " ".join(_TWO_LETTERS.split()).split("; "))
    return tuple((codes.split(), [name for name in names.split(" / ") if name]) for codes, _, names in rows)


def _unqualified(name: str) -> str:
    return name.partition(" (")[0]


@cache
def _extensions() -> dict[str, str]:
    """Return the first code of a tag for each extended language, `yue` for one: RFC 5646, section 2.2.2."""
    macrolanguages = {code: macro for code, macro, _ in _read_table() if macro in _EXTENSIBLE}
    signed = {code: "sgn" for code, _, name in _read_table() if "Sign Language" in name}
    return macrolanguages | signed


@cache
def _read_table() -> tuple[tuple[str, str, str], ...]:
    """Return code, macrolanguage and name of each language, with codes of ISO 639-3.

    The table is read at the first use: few processes need it.
    """
    text = (resources.files(__package__) / "languages.tsv").read_text(encoding="utf-8")
    code = {codes[0]: codes[1] for codes, _ in _two_letters()}
    rows = ((*line.split("\t"), "", "")[:3] for line in text.splitlines() if not line.startswith("#"))
    return tuple((code.get(subtag, subtag), code.get(macro, macro), name) for subtag, macro, name in rows)


# Macrolanguages whose members may follow them in a tag, as in `zh-yue`.
_EXTENSIBLE = frozenset({"ara", "msa", "swa", "uzb", "zho"})
# RFC 5646, section 2.1, with underscores too: language, extended language, script, region, variants, extensions.
_TAG = re.compile(
    rf"(?P<language>[a-z]{{2,3}})(?:[-_](?P<extended>[a-z]{{3}}))?(?:[-_](?:{_SCRIPT}))?"
    rf"(?:[-_](?:(?P<region>[a-z]{{2}})|[0-9]{{3}}))?(?:[-_](?:{_VARIANT}))*(?:[-_][tux](?:[-_][a-z0-9]{{1,8}})+)?",
    re.IGNORECASE | re.ASCII,
)


# No name in the table has 100 characters; the cache then holds no long texts.
_LONGEST = 100


def language_code(text: str) -> str | None:
    """Return the ISO 639-3 code of the language that a text names; None if it names none, or several.

    >>> language_code("en_US"), language_code("ger"), language_code("Dutch"), language_code("non-English")
    ('eng', 'deu', 'nld', None)
    """
    return _find(text.lower()) if len(text) < _LONGEST else None


@lru_cache(maxsize=1024)
def _find(key: str) -> str | None:
    codes = _codes()
    if code := codes.get(key):
        return code
    match = _TAG.fullmatch(key)
    if match is None or (match["region"] and match["region"] not in _REGIONS):
        return None
    code, extended = codes.get(match["language"]), match["extended"]
    if extended is None:
        return code
    # `zh-eng` has no extended language: it names two languages.
    return extended if code and _extensions().get(extended) == code else None
