"""Every text that people read has its French."""

import ast
from importlib import resources
from pathlib import Path

from babel.messages.pofile import read_po


def test_no_text_is_left_in_english_and_none_is_translated_in_vain() -> None:
    package = Path(str(resources.files("trophenix_recruitment")))
    marked = {
        node.args[0].value
        for source in package.rglob("*.py")
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "_"
        and isinstance(node.args[0], ast.Constant)
    }
    with (package / "locales/fr/LC_MESSAGES/recruitment.po").open("rb") as file:
        catalogue = read_po(file, locale="fr")

    translated = {message.id: message for message in catalogue if message.id}

    assert translated.keys() == marked
    for text, message in translated.items():
        assert message.string, text
        assert not list(message.check(catalogue)), text
