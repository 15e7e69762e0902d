"""By which rules one of several places is chosen, and what is told about the choice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.answer.locations import DEFAULT_METHODS, Candidate, Choice, Circumstances, choose_location
from resolver.answer.negotiation import Requester
from resolver.answer.targets import Target
from resolver.model.location import Location
from tests.unit.answer.places import (
    CURL,
    FIREFOX,
    browser,
    document,
    name_of,
    place_attributes,
    places_of,
    reached,
    tool,
)


def chosen(*places: str, root: str = "", **circumstances: object) -> set[str]:
    """Return where visitors in these circumstances may end up."""
    return reached(document(*places, root=root), **circumstances)


def choice_of(*places: str, root: str = "", chance: float = 0.0, **circumstances: object) -> Choice:
    """Return the choice among these places."""
    found = places_of(document(*places, root=root))
    return choose_location(
        found.candidates,
        found.methods,
        Circumstances(**circumstances),  # type: ignore[arg-type]
        lambda: chance,
    )


# --- locatt ----------------------------------------------------------------------------------------------

VARIETY = (
    'first id="0" role="main"',
    'thumb id="1" view="thumb" weight="0"',
    'french id="2" role="metadata" lang="fr" weight="0"',
    'german id="3" role="metadata" lang="de" weight="0"',
)


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ([("id", "1")], {"thumb"}),
        ([("view", None)], {"thumb"}),
        ([("role", "main")], {"first"}),
        ([("role", "metadata"), ("lang", "fr")], {"french"}),
        ([("lang", "de"), ("role", "metadata")], {"german"}),
        ([("role", "metadata")], {"french", "german"}),
        ([("lang", None)], {"french", "german"}),
        ([("id", "9")], {"first"}),
        ([("ID", "1")], {"first"}),
        ([("view", "Thumb")], {"first"}),
        ([("view", "thumb ")], {"first"}),
        ([("view", "")], {"first"}),
        ([("view", "x"), ("lang", "fr")], {"french"}),
        ([("lang", "fr"), ("view", "thumb")], {"french"}),
    ],
    ids=[
        "by value",
        "by presence",
        "one with weight",
        "two wishes",
        "two wishes the other way round",
        "several remain",
        "several have it",
        "value nobody has",
        "name in other case",
        "value in other case",
        "value with a blank",
        "empty value",
        "wish for nothing does not spoil the next",
        "later wish cannot undo an earlier one",
    ],
)
def test_attributes_in_the_url_choose(wanted: list[tuple[str, str | None]], names: set[str]) -> None:
    """``locatt`` keeps the places with exactly this attribute; if there are none, it is as if nobody had asked."""
    assert chosen(*VARIETY, wanted_attributes=tuple(wanted)) == names


def test_empty_attribute_can_be_asked_for() -> None:
    """``locatt=view:`` wants an empty attribute, which is not the same as any attribute or none."""
    places = ('none weight="1"', 'empty view="" weight="0"', 'full view="x" weight="0"')
    assert chosen(*places, wanted_attributes=(("view", ""),)) == {"empty"}


# --- country ---------------------------------------------------------------------------------------------

COUNTRIES = ('us country="us" weight="0"', 'gb country="gb" weight="0"', 'anywhere weight="1"')


@pytest.mark.parametrize(
    ("places", "country", "names"),
    [
        (COUNTRIES, "us", {"us"}),
        (COUNTRIES, "gb", {"gb"}),
        (COUNTRIES, "fr", {"anywhere"}),
        (COUNTRIES, None, {"anywhere"}),
        (('us country="us"', 'gb country="gb"', 'one weight="0"', 'two weight="0"'), "fr", {"one", "two"}),
        (('us country="us"', 'gb country="gb" weight="0"'), "fr", {"us"}),
        (('us country="us"', 'gb country="gb"'), None, {"us", "gb"}),
        (('us country="US"', 'gb country="gb"'), "us", {"us"}),
        (('us country=" us "', 'gb country="gb"'), "us", {"us"}),
        (('usa country="usa"', "anywhere"), "us", {"anywhere"}),
        (('us country="us"', 'alsous country="us"', "anywhere"), "us", {"us", "alsous"}),
    ],
    ids=[
        "first country",
        "second country",
        "another country gets what is for none",
        "unknown country: only weights",
        "another country never gets what is for others, whatever the weights",
        "another country, and nothing else there",
        "unknown country: all that weigh",
        "capitals",
        "blanks",
        "longer code is another",
        "two in one country",
    ],
)
def test_visitors_go_to_the_place_for_their_country(
    places: Sequence[str], country: str | None, names: set[str]
) -> None:
    """Places for the visitor's country win, then those for no country; who is nowhere is not judged."""
    assert chosen(*places, country=country) == names


# --- address ---------------------------------------------------------------------------------------------

NETWORKS = (
    'campus addresses="192.0.2.0/24 2001:db8:1::/48" weight="0"',
    'library addresses="198.51.100.7" weight="0"',
    'everybody weight="1"',
)


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("192.0.2.1", {"campus"}),
        ("192.0.2.255", {"campus"}),
        ("192.0.3.0", {"everybody"}),
        ("2001:db8:1::5", {"campus"}),
        ("2001:db8:2::5", {"everybody"}),
        ("198.51.100.7", {"library"}),
        ("198.51.100.8", {"everybody"}),
        (None, {"everybody"}),
    ],
    ids=[
        "inside",
        "last inside",
        "just outside",
        "IPv6",
        "other IPv6",
        "one host",
        "its neighbour",
        "unknown",
    ],
)
def test_visitors_go_to_the_place_for_their_network(address: str | None, names: set[str]) -> None:
    """A place that names the visitor's network wins over those that name none."""
    assert chosen(*NETWORKS, address=address and ip_address(address)) == names


@pytest.mark.parametrize(
    "networks",
    [
        "192.0.2.0/24,198.51.100.0/24",
        " 198.51.100.0/24 ; 192.0.2.0/24 ",
        "192.0.2.77/24",
        "nonsense 192.0.2.0/33 192.0.2.0/24",
        "192.0.2.9",
        "0.0.0.0/0",
        "192.0.2.0/255.255.255.0",
    ],
    ids=["comma", "semicolon", "host bits", "nonsense between", "one address", "all of IPv4", "netmask"],
)
def test_networks_are_understood_as_people_write_them(networks: str) -> None:
    """Separators and small slips in a list of networks do not lose the visitor."""
    places = (f'campus addresses="{networks}" weight="0"', 'everybody weight="1"')
    assert chosen(*places, address=ip_address("192.0.2.9")) == {"campus"}
    assert chosen(*places, address=ip_address("2001:db8::9")) == {"everybody"}


def test_nobody_is_sent_into_a_network_that_is_not_theirs() -> None:
    """A visitor from elsewhere gets the places for everybody, even if these weigh nothing."""
    places = ('campus addresses="192.0.2.0/24" weight="9"', 'one weight="0"', 'two weight="0"')
    assert chosen(*places, address=ip_address("203.0.113.1")) == {"one", "two"}


# --- score -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "names"),
    [
        (['a score="1"', 'b score="5" weight="0"', 'c score="3"'], {"b"}),
        (['a score="1.5"', 'b score="1.25"'], {"a"}),
        (['a score="10"', 'b score="9"'], {"a"}),
        (['a score="5"', 'b score="5"', 'c score="4.9"'], {"a", "b"}),
        (["a", 'b score="0.1" weight="0"'], {"b"}),
        (["a", 'b score="-1"'], {"a"}),
        (['a score="-1"', 'b score="-2"'], {"a", "b"}),
        (['a score="-1" weight="0"', 'b score="-2"'], {"b"}),
        (['a score="much"', 'b score="1"'], {"b"}),
        (['a score=" 2 "', 'b score="1"'], {"a"}),
        (["a", "b"], {"a", "b"}),
    ],
    ids=[
        "best wins, whatever it weighs",
        "fractions",
        "numbers, not texts",
        "several best",
        "none counts as zero",
        "below zero is worse than none",
        "all below zero: all stay",
        "all below zero: weights decide",
        "no number counts as zero",
        "blanks",
        "no scores at all",
    ],
)
def test_best_score_wins(scores: Sequence[str], names: set[str]) -> None:
    """The place with the highest score is chosen before weights are looked at."""
    assert chosen(*scores) == names


# --- weighted --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "names"),
    [
        (["a", "b"], {"a", "b"}),
        (['a weight="1"', 'b weight="0"'], {"a"}),
        (["a", 'b weight="0"'], {"a"}),
        (['a weight="-1"', 'b weight="0.001"'], {"b"}),
        (['a weight="0"', 'b weight="0"'], {"a", "b"}),
        (['a weight="-1"', 'b weight="0"', 'c weight="-7"'], {"a", "b", "c"}),
        (['a weight="heavy"', 'b weight="0"'], {"a"}),
        (['a weight=""', 'b weight="0"'], {"a"}),
        (['a weight=" 1 "', 'b weight="0"'], {"a"}),
        (['a weight="nan"', 'b weight="inf"'], {"a", "b"}),
    ],
    ids=[
        "one each by default",
        "nothing for zero",
        "default against zero",
        "below zero is zero",
        "only zeros: any",
        "nothing above zero: any",
        "no number is the default",
        "empty is the default",
        "blanks",
        "what is no quantity is the default",
    ],
)
def test_weights_say_who_can_be_drawn(weights: Sequence[str], names: set[str]) -> None:
    """Whoever weighs something can be drawn; without a word it is one; if nobody weighs anything, all are equal."""
    assert chosen(*weights) == names


# Values that a chi-squared variable exceeds in one of a thousand cases, by degrees of freedom.
CHI_SQUARED_999 = {1: 10.828, 2: 13.816, 3: 16.266, 4: 18.467}
DRAWS = 20_000


@pytest.mark.parametrize(
    "weights",
    [
        {"a": 0.3, "b": 0.7},
        {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0},
        {"a": 1.0, "b": 1.0, "c": 1.0},
        {"rare": 0.01, "common": 0.99},
        {"a": 5.0, "never": 0.0, "b": 5.0, "below": -3.0},
        {"a": 1e-9, "b": 3e-9},
        {"a": 4e11, "b": 6e11},
    ],
    ids=["two", "four", "three alike", "one in a hundred", "with zeros", "tiny", "huge"],
)
def test_draws_agree_with_the_weights(weights: dict[str, float]) -> None:
    """Of many visitors each place gets its share, and one that weighs nothing gets none."""
    found = places_of(document(*(f'{name} weight="{weight}"' for name, weight in weights.items())))
    luck = random.Random(20_500)  # noqa: S311 - the same luck in every run
    counts: Counter[str] = Counter()
    for _ in range(DRAWS):
        choice = choose_location(found.candidates, found.methods, Circumstances(), luck.random)
        counts[name_of(choice.candidate.target.uri)] += 1
    positive = {name: weight for name, weight in weights.items() if weight > 0}
    assert set(counts) == set(positive)
    shares = {name: DRAWS * weight / sum(positive.values()) for name, weight in positive.items()}
    statistic = sum((counts[name] - share) ** 2 / share for name, share in shares.items())
    assert statistic < CHI_SQUARED_999[len(positive) - 1], counts


def test_draws_are_even_where_nothing_weighs() -> None:
    """Places that all weigh nothing are drawn equally often."""
    found = places_of(document('a weight="0"', 'b weight="0"', 'c weight="-1"', 'd weight="0"'))
    luck = random.Random(12_345)  # noqa: S311 - the same luck in every run
    counts = Counter(
        choose_location(found.candidates, found.methods, Circumstances(), luck.random).candidate.target.uri
        for _ in range(DRAWS)
    )
    share = DRAWS / 4
    assert sum((count - share) ** 2 / share for count in counts.values()) < CHI_SQUARED_999[3], counts


def test_rule_can_choose_what_chance_never_would() -> None:
    """A place that weighs nothing is found by attribute, address, country and score."""
    hidden = 'hidden weight="0" role="x" country="us" addresses="192.0.2.1" score="1"'
    for method, circumstances in {
        "locatt": {"wanted_attributes": (("role", "x"),)},
        "country": {"country": "us"},
        "address": {"address": ip_address("192.0.2.1")},
        "score": {},
    }.items():
        assert chosen(hidden, "usual", root=f'chooseby="{method}"', **circumstances) == {"hidden"}, method
        assert chosen(hidden, "usual", root='chooseby="weighted"', **circumstances) == {"usual"}, method


# --- the order of the rules ------------------------------------------------------------------------------

CONTRARY = ('us country="us" score="1" weight="0"', 'best score="2" weight="0"', 'usual weight="1"')


@pytest.mark.parametrize(
    ("root", "names"),
    [
        ("", {"us"}),
        ('chooseby="country,score"', {"us"}),
        ('chooseby="score,country"', {"best"}),
        ('chooseby="weighted"', {"usual"}),
        ('chooseby="weighted,country,score"', {"usual"}),
        ('chooseby="locatt,weighted"', {"usual"}),
        ('chooseby="country"', {"us"}),
        ('chooseby=""', {"usual"}),
        ('chooseby="astrology,country"', {"us"}),
        ('chooseby="astrology"', {"usual"}),
        ('chooseby=" Score , COUNTRY "', {"best"}),
        ('chooseby="score,,country"', {"best"}),
        ('choose_by="score"', {"best"}),
    ],
    ids=[
        "not said",
        "country first",
        "score first",
        "weights alone",
        "nothing counts after the draw",
        "rule that sees nothing",
        "one rule",
        "no rule",
        "unknown rule is passed over",
        "only unknown rules",
        "blanks and capitals",
        "nothing between commas",
        "old spelling",
    ],
)
def test_author_says_which_rules_hold_and_in_which_order(root: str, names: set[str]) -> None:
    """``chooseby`` names the rules; each looks at what the one before has left; chance decides at last."""
    assert chosen(*CONTRARY, root=root, country="us") == names


def test_rules_are_tried_in_the_usual_order() -> None:
    """Without ``chooseby`` attributes come first, then address, country, score, and weight."""
    places = (
        'attribute role="x" weight="0"',
        'address addresses="192.0.2.0/24" weight="0"',
        'country country="us" weight="0"',
        'score score="3" weight="0"',
        'weight weight="1"',
    )
    circumstances: dict[str, object] = {
        "wanted_attributes": (("role", "x"),),
        "address": ip_address("192.0.2.1"),
        "country": "us",
    }
    for number, name in enumerate(["attribute", "address", "country", "score", "weight"]):
        assert chosen(*places[number:], **circumstances) == {name}


def test_rules_narrow_each_other_down() -> None:
    """Each rule chooses only among what earlier ones have left."""
    places = (
        'german country="de" language="de" score="1"',
        'english country="de" language="en" score="2"',
        'elsewhere language="de" score="9"',
    )
    assert chosen(*places, country="de") == {"english"}
    assert chosen(*places, country="de", requester=browser(language="de")) == {"german"}


# --- media types -----------------------------------------------------------------------------------------

NEGOTIATING = (
    'page http_role="browser" weight="1"',
    'service http_role="conneg" weight="0"',
    'rdf ctype="application/rdf+xml" http_role="conneg" weight="0"',
    'json media-type="application/json" http_role="conneg" weight="0"',
)


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("application/rdf+xml", "rdf"),
        ("application/json", "json"),
        ("APPLICATION/RDF+XML", "rdf"),
        ("application/rdf+xml, text/html;q=0.5", "rdf"),
        ("application/json;q=0.5, application/rdf+xml", "rdf"),
        ("application/json;q=0.5, application/rdf+xml;q=0.4", "json"),
        ("application/x-foo, application/json", "json"),
        ("application/x-foo, application/json, */*;q=0.1", "json"),
        ("application/rdf+xml;q=abc", "rdf"),
        ("application/json;version=1;q=0.9, application/rdf+xml;q=0.8", "json"),
        ("application/json;q=0, application/rdf+xml", "rdf"),
        ("application/x-foo", "service"),
        ("text/turtle, application/x-bibtex;q=0.8", "service"),
        ("application/x-foo, */*;q=0.1", "service"),
        ("application/x-foo, */*;q=0.5, application/json;q=0.4", "service"),
        ("text/html", "page"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", "page"),
        ("application/xhtml+xml", "page"),
        ("application/pdf, application/json;q=0.1", "page"),
        ("image/png", "page"),
        ("audio/*", "page"),
        ("video/mp4, application/rdf+xml;q=0.9", "page"),
        ("text/vnd.wap.wml", "page"),
        ("text/*, application/json", "page"),
        ("application/*", "page"),
        ("text/html;q=0.9, application/json;q=0.5", "page"),
    ],
)
@pytest.mark.parametrize("agent", [CURL, FIREFOX, None], ids=["tool", "browser", "nameless"])
def test_program_that_says_what_it_accepts_gets_it(accept: str, name: str, agent: str | None) -> None:
    """A type of the best quality decides, whoever asks: pages for what browsers show, else the place for that type.

    Without a place for any of the types it is the one that negotiates itself.
    """
    assert chosen(*NEGOTIATING, requester=Requester(accept, None, agent)) == {name}


SILENT = [None, "", " , ", "*/*", "*/*;q=0.5"]


@pytest.mark.parametrize("accept", SILENT, ids=repr)
@pytest.mark.parametrize(
    ("agent", "names"),
    [
        (FIREFOX, {"page"}),
        ("Opera/9.80 (X11)", {"page"}),
        (CURL, {"machines"}),
        ("", {"machines"}),
        (None, {"machines"}),
        ("Wget/1.21 Mozilla/5.0", {"machines"}),
    ],
    ids=["Firefox", "Opera", "curl", "empty", "nameless", "Mozilla not in front"],
)
def test_program_that_accepts_anything_is_told_by_its_name(
    accept: str | None, agent: str | None, names: set[str]
) -> None:
    """Where nothing in particular is accepted, browsers get pages and tools what is not negotiated."""
    places = (*NEGOTIATING, 'machines http_role="no_conneg" weight="0"')
    assert chosen(*places, requester=Requester(accept, None, agent)) == names


def test_tool_that_says_nothing_is_not_sent_to_a_service_for_negotiation() -> None:
    """Without a place of its own, such a tool goes where weights say, but not where a type must be named."""
    places = ('service http_role="conneg" weight="9"', "page", "mirror")
    assert chosen(*places, requester=tool()) == {"page", "mirror"}


@pytest.mark.parametrize("accept", [None, "*/*", "text/html,*/*;q=0.8"], ids=repr)
def test_browser_without_a_place_of_its_own_gets_html(accept: str | None) -> None:
    """Where no place is for browsers by its role, the types of the places tell; else only the negotiating ones go."""
    html = ('json ctype="application/json"', 'html ctype="text/html;charset=utf-8"', "plain")
    assert chosen(*html, requester=browser(accept)) == {"html"}
    none = ('json ctype="application/json" http_role="conneg" weight="9"', "plain")
    assert chosen(*none, requester=browser(accept)) == {"plain"}


def test_negotiation_can_be_left_to_weights() -> None:
    """Without ``locatt`` among the rules, types and languages do not matter, and no header is looked at."""
    choice = choice_of(*NEGOTIATING, root='chooseby="weighted"', requester=tool("application/json", "de"))
    assert name_of(choice.candidate.target.uri) == "page"
    assert choice.looked_at == set()


def test_places_that_do_not_negotiate_ignore_what_is_accepted() -> None:
    """What a program accepts changes nothing where no place says anything about types."""
    for accept in (None, "application/json", "text/html"):
        assert chosen("a", "b", requester=tool(accept)) == {"a", "b"}
        assert choice_of("a", "b", requester=tool(accept)).unmet_types == ()


@pytest.mark.parametrize(
    ("accept", "unmet"),
    [
        ("text/turtle", ("application/json", "application/rdf+xml")),
        ("text/turtle, application/n-triples;q=0.5", ("application/json", "application/rdf+xml")),
        ("text/turtle, text/*;q=0.5", ("application/json", "application/rdf+xml")),
        ("text/turtle, application/json;q=0.1", ()),
        ("text/turtle, */*;q=0.1", ()),
        ("text/turtle, application/*;q=0.1", ()),
        ("text/html", ()),
        ("*/*", ()),
        (None, ()),
        ("nonsense", ("application/json", "application/rdf+xml")),
    ],
    ids=repr,
)
def test_program_learns_that_its_types_are_not_offered(accept: str | None, unmet: tuple[str, ...]) -> None:
    """Who accepts none of the types that there are is told which there are; who accepts any is not."""
    places = ('rdf ctype="application/rdf+xml"', 'json ctype="application/json"', 'page http_role="browser"')
    choice = choice_of(*places, requester=tool(accept))
    assert choice.unmet_types == unmet
    assert choice.candidate is not None


def test_place_that_negotiates_itself_meets_any_type() -> None:
    """Nothing is said to be missing where a service finds out itself what it can give."""
    assert choice_of(*NEGOTIATING, requester=tool("text/turtle")).unmet_types == ()


# --- languages -------------------------------------------------------------------------------------------

LANGUAGES = (
    'english language="en" weight="1"',
    'german language="de-AT" weight="0"',
    'french language="FR" weight="0"',
)


@pytest.mark.parametrize(
    ("accept_language", "name"),
    [
        ("fr", "french"),
        ("fr;q=0.9,en;q=0.8", "french"),
        ("fr;q=0.8,en;q=0.9", "english"),
        ("de", "german"),
        ("de-AT", "german"),
        ("DE-at", "german"),
        ("de-CH, fr;q=0.5", "french"),
        ("en-GB", "english"),
        ("nl, de;q=0.5", "german"),
        ("nl", "english"),
        ("*", "english"),
        ("nl, *;q=0.9, fr;q=0.5", "english"),
        ("fr;q=0, de", "german"),
        ("fr-", "french"),
        ("", "english"),
        (None, "english"),
        (";;,=,", "english"),
    ],
    ids=repr,
)
def test_visitors_get_their_language(accept_language: str | None, name: str) -> None:
    """The best of the visitor's languages that there is decides; a region does not keep it from its language."""
    assert chosen(*LANGUAGES, requester=browser(language=accept_language)) == {name}


def test_place_without_a_language_serves_no_particular_one() -> None:
    """Only a place that says its language is chosen for it."""
    places = ('silent weight="0"', 'english language="en" weight="1"', 'french language="fr" weight="0"')
    for accepted, name in {"fr": "french", "de": "english", "-": "english", "--x": "english"}.items():
        assert chosen(*places, requester=browser(language=accepted)) == {name}


# --- what is told about the choice -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "requester", "looked_at"),
    [
        (("one",), tool("application/json", "de"), set()),
        (("a", "b"), tool("application/json", "de"), set()),
        (NEGOTIATING, tool("application/json", "de"), {"Accept"}),
        (NEGOTIATING, tool("*/*"), {"Accept", "User-Agent"}),
        (NEGOTIATING, browser(), {"Accept", "User-Agent"}),
        (LANGUAGES, browser(language="fr"), {"Accept-Language"}),
        (LANGUAGES, browser(), {"Accept-Language"}),
        ((*NEGOTIATING, *LANGUAGES), tool("application/x-none"), {"Accept"}),
        (
            ('a ctype="text/html" language="de"', 'b ctype="text/html" language="en"'),
            browser("text/html", "de"),
            {"Accept", "Accept-Language"},
        ),
    ],
    ids=[
        "one place",
        "plain places",
        "types",
        "types, by name",
        "types, by silence",
        "languages",
        "languages, by silence",
        "the type was enough",
        "both",
    ],
)
def test_headers_that_mattered_are_told(
    places: Sequence[str], requester: Requester, looked_at: set[str]
) -> None:
    """Caches learn which request headers the choice depends on, and of no others."""
    assert choice_of(*places, requester=requester).looked_at == looked_at


ADDRESS = ip_address("192.0.2.1")


@pytest.mark.parametrize(
    ("places", "circumstances", "personal"),
    [
        (("one",), {"country": "us", "address": ADDRESS}, False),
        (("a", 'b weight="0"'), {}, False),
        (("a", "b"), {}, True),
        (('a weight="0"', 'b weight="0"'), {}, True),
        (COUNTRIES, {"country": "us"}, True),
        (COUNTRIES, {"country": "fr"}, True),
        (COUNTRIES, {}, True),
        (COUNTRIES, {"country": "us", "country_is_explicit": True}, False),
        (NETWORKS, {"address": ADDRESS}, True),
        (NETWORKS, {"address": ip_address("203.0.113.1")}, True),
        (NETWORKS, {}, True),
        (NETWORKS, {"address": ADDRESS, "address_is_explicit": True}, False),
        (VARIETY, {"wanted_attributes": (("id", "1"),), "address": ADDRESS}, False),
        (NEGOTIATING, {"requester": tool("application/json")}, False),
        (('a score="2"', 'b score="1"'), {}, False),
    ],
    ids=[
        "one place",
        "only one weighs",
        "chance",
        "chance among nothing",
        "country",
        "no place for the country",
        "country not known, though it would matter",
        "country in the URL",
        "network",
        "no place for the network",
        "address not known, though it would matter",
        "address in the URL",
        "attribute in the URL",
        "type",
        "score",
    ],
)
def test_what_is_for_one_visitor_is_marked(
    places: Sequence[str], circumstances: dict[str, object], personal: bool
) -> None:
    """An answer by address, country or chance is this visitor's own; what the URL itself says is everybody's."""
    assert choice_of(*places, **circumstances).is_personal is personal


def test_each_rule_signs_for_what_it_removed() -> None:
    """For every place that was not chosen, whoever asks why learns which rule was against it."""
    choice = choice_of(
        'nowish language="en"',
        'notype role="x" ctype="text/html"',
        'nolanguage role="x" ctype="text/turtle" language="fr"',
        'noaddress role="x" ctype="text/turtle" language="de" country="us" score="2"',
        'nocountry role="x" ctype="text/turtle" language="de" addresses="192.0.2.0/24" score="2"',
        'noscore role="x" ctype="text/turtle" language="de" addresses="192.0.2.0/24" country="us"',
        'noweight role="x" ctype="text/turtle" language="de" addresses="192.0.2.0/24" country="us" '
        'score="2" weight="0"',
        'noluck role="x" ctype="text/turtle" language="de" addresses="192.0.2.0/24" country="us" score="2"',
        'yes role="x" ctype="text/turtle" language="de" addresses="192.0.2.0/24" country="us" score="2"',
        chance=0.75,
        wanted_attributes=(("role", "x"),),
        requester=tool("text/turtle", "de"),
        address=ADDRESS,
        country="us",
    )
    assert name_of(choice.candidate.target.uri) == "yes"
    assert [(name_of(candidate.target.uri), rule) for candidate, rule in choice.removed] == [
        ("nowish", "locatt"),
        ("notype", "Accept"),
        ("nolanguage", "Accept-Language"),
        ("noaddress", "address"),
        ("nocountry", "country"),
        ("noscore", "score"),
        ("noweight", "weighted"),
        ("noluck", "weighted"),
    ]


# --- any places, any visitor -----------------------------------------------------------------------------


def _candidate(number: int, attributes: dict[str, str], weight: float) -> Candidate:
    return Candidate(Location(tuple(attributes.items())), Target(f"https://place{number}.example/"), weight)


@st.composite
def _candidate_lists(draw: st.DrawFn, weights: st.SearchStrategy[float]) -> list[Candidate]:
    drawn = draw(st.lists(st.tuples(place_attributes, weights), min_size=1, max_size=6))
    # Often all alike but for one attribute, so that rules are reached which otherwise nobody gets to.
    if draw(st.booleans()):
        shared = drawn[0][0]
        drawn = [({**shared, **dict(list(attributes.items())[:1])}, weight) for attributes, weight in drawn]
    return [_candidate(number, *each) for number, each in enumerate(drawn)]


_ANY_CANDIDATES = _candidate_lists(st.sampled_from([0.0, 1.0, 0.25]) | st.floats(0, 1e12))
# Where one of a few places weighs something, chance is not needed, and what else decides comes to light.
_DECIDING_ATTRIBUTES = st.fixed_dictionaries(
    {},
    optional={
        "country": st.sampled_from(["us", "gb"]),
        "addresses": st.sampled_from(["192.0.2.0/24", "::/0"]),
        "language": st.sampled_from(["de", "en"]),
        "ctype": st.sampled_from(["text/html", "application/json"]),
        "http_role": st.sampled_from(["conneg", "no_conneg", "browser"]),
    },
)
_ONE_WITH_WEIGHT = st.lists(_DECIDING_ATTRIBUTES, min_size=2, max_size=3).map(
    lambda drawn: [_candidate(number, each, float(number == 0)) for number, each in enumerate(drawn)]
)
_ACCEPTS = st.none() | st.sampled_from(
    [
        *("", "*/*", "text/html", "application/json", "text/turtle;q=0.5, application/rdf+xml;q=0.4"),
        *("text/*", "image/png, */*;q=0.1", ",;q=", 'a/b;c="d,e;q=0"', "application/json, */*;q=0"),
    ]
)
_LANGUAGES = (
    st.none() | st.sampled_from(["de", "en-US, fr;q=0.5", "*", "", "fr;q=0", ";"]) | st.text(max_size=6)
)
_ADDRESSES = st.none() | st.sampled_from(["192.0.2.7", "203.0.113.1", "2001:db8::1"]).map(ip_address)
_COUNTRY_CODES = st.none() | st.sampled_from(["us", "gb", "fr", "xx"])
_REQUESTERS = st.builds(Requester, _ACCEPTS, _LANGUAGES, st.sampled_from([None, FIREFOX, CURL]))
_WISHES = st.lists(
    st.sampled_from([("role", "metadata"), ("role", None), ("id", "1"), ("none", None), ("country", "us")]),
    max_size=2,
).map(tuple)
_METHODS = st.just(DEFAULT_METHODS) | st.lists(
    st.sampled_from([*DEFAULT_METHODS, "unknown", "", " Country "]) | st.text(max_size=4), max_size=6
)
_CIRCUMSTANCES = st.builds(
    Circumstances,
    wanted_attributes=_WISHES,
    requester=_REQUESTERS,
    country=_COUNTRY_CODES,
    country_is_explicit=st.booleans(),
    address=_ADDRESSES,
    address_is_explicit=st.booleans(),
    is_strict=st.booleans(),
)
_CHANCES = st.floats(0, 1, exclude_max=True)
_RULES = {"Accept": "locatt", "Accept-Language": "locatt"}


@given(_ANY_CANDIDATES, _METHODS, _CIRCUMSTANCES, _CHANCES)
def test_there_is_always_a_choice_and_a_reason_for_each_other_place(
    candidates: list[Candidate], methods: list[str], circumstances: Circumstances, chance: float
) -> None:
    """Whatever the places and whoever asks, one is chosen, and for each other a rule in force says why not."""
    choice = choose_location(candidates, methods, circumstances, lambda: chance)
    removed = [*(candidate for candidate, _ in choice.removed), choice.candidate]
    assert sorted(map(id, removed)) == sorted(map(id, candidates))
    in_force = {method.strip().lower() for method in methods} | {"weighted"}
    for candidate, rule in choice.removed:
        assert _RULES.get(rule, rule) in in_force
        assert _is_reason(rule, candidate, choice.candidate, circumstances)
        if rule in _RULES:
            assert rule in choice.looked_at


def _is_reason(rule: str, removed: Candidate, kept: Candidate, circumstances: Circumstances) -> bool:
    """Return whether ``rule`` tells the one place from the other in these circumstances."""
    match rule:
        case "locatt":
            wanted = circumstances.wanted_attributes
            return any(
                removed.location.get(name) != kept.location.get(name)
                and (value is None or kept.location.get(name) == value)
                for name, value in wanted
            )
        case "Accept":
            names = ("http_role", "ctype", "media-type")
            return any(removed.location.get(name) != kept.location.get(name) for name in names)
        case "Accept-Language":
            return removed.location.get("language") != kept.location.get("language")
        case "address":
            return circumstances.address is not None and (
                removed.location.get("addresses") != kept.location.get("addresses")
            )
        case "country":
            country = circumstances.country
            return (removed.location.get("country") or "").strip().lower() != country is not None
        case "score":
            return removed.location.get("score") != kept.location.get("score")
        case "weighted":
            return kept.weight > 0 or removed.weight == 0
        case _:
            return False


@settings(max_examples=500)
@given(
    _ONE_WITH_WEIGHT,
    st.permutations(DEFAULT_METHODS[:-1]),
    _CIRCUMSTANCES,
    _REQUESTERS,
    _COUNTRY_CODES,
    _ADDRESSES,
    st.tuples(_CHANCES, _CHANCES),
)
def test_what_is_not_marked_personal_may_be_given_to_anybody(
    candidates: list[Candidate],
    methods: list[str],
    circumstances: Circumstances,
    other: Requester,
    country: str | None,
    address: object,
    chances: tuple[float, float],
) -> None:
    """A cache that follows the marks never gives somebody what he would not have been given himself.

    Somebody else with the same URL and the same headers, as far as they were looked at, gets the same place.
    """
    choice = choose_location(candidates, methods, circumstances, lambda: chances[0])
    if choice.is_personal:
        return
    requester = circumstances.requester
    elsewhere = Circumstances(
        wanted_attributes=circumstances.wanted_attributes,
        requester=Requester(
            requester.accept if "Accept" in choice.looked_at else other.accept,
            requester.accept_language if "Accept-Language" in choice.looked_at else other.accept_language,
            requester.user_agent if "User-Agent" in choice.looked_at else other.user_agent,
        ),
        country=circumstances.country if circumstances.country_is_explicit else country,
        country_is_explicit=circumstances.country_is_explicit,
        address=circumstances.address if circumstances.address_is_explicit else address,  # type: ignore[arg-type]
        address_is_explicit=circumstances.address_is_explicit,
        is_strict=circumstances.is_strict,
    )
    same = choose_location(candidates, methods, elsewhere, lambda: chances[1])
    assert same.candidate is choice.candidate
    assert same.unmet_types == choice.unmet_types


def test_chance_at_its_limits_still_chooses() -> None:
    """The smallest and the largest chance choose the first and the last that weigh something."""
    places = (
        'zero weight="0"',
        'first weight="0.1"',
        'middle weight="0.1"',
        'last weight="0.1"',
        'none weight="0"',
    )
    assert name_of(choice_of(*places, chance=0.0).candidate.target.uri) == "first"
    assert name_of(choice_of(*places, chance=1 - 2**-53).candidate.target.uri) == "last"
