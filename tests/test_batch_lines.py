"""Reading many prompts: lines, tables, alternatives and variables."""

import pytest

from generations.web.batches.expansion import Fault, Template, TemplateError
from generations.web.batches.lines import LineFault, read


def expand(text: str, **values: list[str]) -> list[str]:
    template = Template.parse(text)
    expanded = list(template.expand(values))
    assert template.count(values) == len(expanded)
    return expanded


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("A pear", ["A pear"]),
        ("A {red|green} pear", ["A red pear", "A green pear"]),
        ("A { red | green } pear", ["A red pear", "A green pear"]),
        ("A {very |}red pear", ["A veryred pear", "A red pear"]),
        ("A {very|} red pear", ["A very red pear", "A red pear"]),
        ("{a|b} {c|d}", ["a c", "a d", "b c", "b d"]),
        ("{a|a|b}", ["a", "b"]),
        ("{{a|b}}", ["{a|b}"]),
        ("a } b", ["a } b"]),
        ("{a|b}}}", ["a}", "b}"]),
        ("Two  spaces", ["Two  spaces"]),
    ],
)
def test_alternatives(text: str, prompts: list[str]) -> None:
    assert expand(text) == prompts


def test_variables_take_each_value_and_are_the_same_everywhere() -> None:
    prompts = expand("{Product} beside a {product}, {day|night}", product=["mug", "bowl"])
    assert prompts == [
        "mug beside a mug, day", "mug beside a mug, night",
        "bowl beside a bowl, day", "bowl beside a bowl, night",
    ]  # fmt: skip


def test_names_in_the_order_of_their_first_use() -> None:
    assert Template.parse("{b} {a} {b} {c|d} {A}").names == ["b", "a"]


def test_a_count_of_millions_is_known_without_building_them() -> None:
    assert Template.parse("{a|b}" * 40).count({}) == 2**40


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("A {red|green pear", Fault.UNCLOSED),
        ("A {red|{green}} pear", Fault.NESTED),
        ("A {a {{ b} pear", Fault.NESTED),
        ("A {} pear", Fault.EMPTY),
        ("A { } pear", Fault.EMPTY),
        (f"A {{{'x' * 61}}} pear", Fault.LONG_NAME),
    ],
)
def test_faults(text: str, fault: Fault) -> None:
    with pytest.raises(TemplateError) as error:
        Template.parse(text)
    assert error.value.fault == fault


def test_a_prompt_a_line() -> None:
    table = read("A pear\r\n\r\n  A plum, ripe  \n", {})
    assert [(line.number, line.prompt) for line in table.lines] == [
        (1, "A pear"),
        (3, "A plum, ripe"),
    ]
    assert not table.has_columns


@pytest.mark.parametrize(
    "text",
    [
        "prompt,aspect ratio,images\nA pear,16:9,2",
        "\ufeffPrompt;Aspect_Ratio;Images\nA pear;16:9;2",
        "PROMPT\tratio\tn\nA pear\t16:9\t2\n",
        'sep=;\nprompt;ratio;count\n"A pear";16:9;2',
        "\nImages, Ratio ,Prompts\n2, 16:9 , A pear \n",
    ],
)
def test_tables_with_forgiving_headers(text: str) -> None:
    table = read(text, {})
    assert [dict(line.cells) for line in table.lines] == [
        {"prompt": "A pear", "aspect_ratio": "16:9", "n": "2"}
    ]


def test_other_columns_are_variables() -> None:
    table = read(
        "prompt,Product Name,Model\nA {product name},mug,x\nA pear,,\n", {"model": "model"}
    )
    assert [dict(line.variables) for line in table.lines] == [{"product name": "mug"}, {}]
    assert table.lines[0].cells["model"] == "x"
    assert table.variables == {"product name": "Product Name"}


def test_lines_of_a_table_keep_their_number() -> None:
    table = read('prompt,n\n"A pear\non two lines",2\n\nA plum,3\n', {})
    assert [(line.number, line.prompt) for line in table.lines] == [
        (2, "A pear\non two lines"), (5, "A plum"),
    ]  # fmt: skip


def test_a_comma_without_quotes_is_named() -> None:
    table = read("prompt,n\nA pear, ripe,2\nA plum,2\n", {})
    assert [line.fault for line in table.lines] == [LineFault.TOO_MANY_CELLS, None]


def test_a_missing_quotation_mark_is_named() -> None:
    table = read('prompt,n\n"A pear' + ",2\nA plum" * 20_000, {})
    assert [line.fault for line in table.lines] == [LineFault.QUOTES]
