from pathlib import Path

import pytest

from include.catalog.source import Document


def read(tmp_path: Path, text: str | bytes, environ: dict[str, str] | None = None) -> Document:
    path = tmp_path / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Document(path, tmp_path, environ or {})


def lines(document: Document) -> list[str]:
    return [str(problem) for problem in document.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: ${X}", "x"),
        ("a: ${X:-d}", "x"),
        ("a: ${NO:-d}", "d"),
        ("a: ${EMPTY:-d}", "d"),
        ("a: ${EMPTY}", ""),
        ("a: ${NO:-}", ""),
        ("a: file://${X}/${Y:-y/z}/end", "file://x/y/z/end"),
        ("a: '${X}'", "x"),
        ("a: $${X} is literal", "${X} is literal"),
        ("a: $1 and $X", "$1 and $X"),
        ("a: $$body$$", "$$body$$"),
    ],
)
def test_variables(tmp_path, text, value):
    document = read(tmp_path, text, {"X": "x", "EMPTY": ""})
    assert document.data == {"a": value} and document.problems == []


def test_a_missing_variable_names_line_and_field(tmp_path):
    document = read(tmp_path, "a: 1\nb:\n  - c: ${NOT_THERE}\n")
    assert lines(document) == [
        "file.yaml:3: b[0].c: variable NOT_THERE is not set; set it, or give a default: ${NOT_THERE:-value}"
    ]


def test_a_malformed_variable_is_told(tmp_path):
    (line,) = lines(read(tmp_path, "a: ${not-a-name}"))
    assert line.startswith("file.yaml:1: a: '${' starts no variable")


def test_a_suite_keeps_its_text_as_it_is(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text("a: '^${X}$'")
    document = Document(path, tmp_path, None)
    assert document.data == {"a": "^${X}$"} and document.problems == []


def test_an_expanded_value_is_not_read_again_as_yaml(tmp_path):
    assert read(tmp_path, "a: ${X}", {"X": "[1, ${Y}]"}).data == {"a": "[1, ${Y}]"}


def test_repeated_keys_are_told_at_every_depth(tmp_path):
    document = read(tmp_path, "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 2\n")
    assert sorted(lines(document)) == [
        "file.yaml:5: b.c: is written twice, first in line 3; keep one",
        "file.yaml:6: a: is written twice, first in line 1; keep one",
    ]


def test_merged_keys_may_be_overridden(tmp_path):
    document = read(tmp_path, "base: &b {x: 1, y: 2}\nmine:\n  <<: *b\n  y: 3\n")
    assert document.data["mine"] == {"x": 1, "y": 3} and document.problems == []
    assert document.locate(["mine", "y"]) == ("mine.y", 4)


def test_keys_are_text(tmp_path):
    assert read(tmp_path, "18: a\non: b\nnull: c").data == {"18": "a", "on": "b", "null": "c"}


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\nb: [1\n", 3, "not valid YAML"),
        ("a: 1\n\tb: 2\n", 2, "not valid YAML"),
        ("a: 'x\nb: 1\n", 3, "not valid YAML"),
        ("a: *nothing\n", 1, "undefined alias"),
        ("a: 1\n---\nb: 2\n", 2, "not valid YAML"),
        ("", 1, "is empty"),
        ("# only a comment\n", 1, "is empty"),
        ("? [a, b]\n: 1\n", 1, "a key must be a single word"),
        ("a: &x\n  b: *x\n", 2, "contains itself"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        ("a: \x00\n", 1, "not valid YAML"),
        ("a: 2026-13-45\n", 1, "cannot be read"),
        ("a: !!python/object:os.system x\n", 1, "not valid YAML"),
    ],
)
def test_what_is_not_yaml_is_told_and_never_raised(tmp_path, text, line, what):
    (problem,) = read(tmp_path, text).problems
    assert problem.line == line and what in problem.what


def test_an_unreadable_file_is_told(tmp_path):
    path = tmp_path / "gone.yaml"
    path.symlink_to(tmp_path / "nothing")
    (problem,) = Document(path, tmp_path, {}).problems
    assert "cannot be read: No such file" in problem.what


def test_places_skip_the_tags_of_unions(tmp_path):
    document = read(tmp_path, "stores:\n  - cloud: selfhosted\n    backups:\n      kind: dump\n      location: 5\n")
    assert document.locate(["stores", 0, "selfhosted", "backups", "dump", "location"]) == ("stores[0].backups.location", 5)
    assert document.locate(["stores", 0, "selfhosted", "backups", "dump", "wal"]) == ("stores[0].backups.wal", 3)
    assert document.written(["stores", 0, "selfhosted", "backups", "dump", "location"]) == "5"


def test_a_value_is_shown_as_written_not_as_expanded(tmp_path):
    assert read(tmp_path, "a: ${SECRET}", {"SECRET": "hunter2"}).written(["a"]) == "${SECRET}"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
@pytest.mark.parametrize("depth", [600, 2_000])
def test_a_file_that_nests_without_end_is_told_and_does_not_end_the_process(tmp_path, opening, depth):
    (problem,) = read(tmp_path, opening * depth).problems
    assert "not valid YAML" in problem.what
