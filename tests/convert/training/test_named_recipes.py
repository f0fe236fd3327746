import re
import tomllib

import pytest

from convert.cli import main
from convert.data.corruptions import CORRUPTIONS
from convert.errors import ConvertError
from convert.training.named_recipes import EXAMPLE, RECIPES, find_recipe


def test_named_recipes_have_their_names():
    assert all(find_recipe(name).name == name for name in [*RECIPES, "example"])


def test_unknown_name_lists_the_named_recipes():
    with pytest.raises(ConvertError, match=r"no recipe 'best': use normal, small, .*, smoke, example, or"):
        find_recipe("best")


def test_help_lists_the_named_recipes(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert ", ".join([*RECIPES, "example"]) in re.sub(r"\s+", " ", capsys.readouterr().out)


def test_example_explains_each_key_at_its_first_mention():
    text = EXAMPLE.read_text(encoding="utf-8")
    first = {line.split(" =")[0]: line for line in reversed(text.splitlines()) if re.match(r"\w+ =", line)}
    stage = max(tomllib.loads(text)["stages"], key=len)
    explained = {"name", "alpha", *stage, "rotation_deg", "scale", "shift"} - {"augmentation"}
    assert explained <= set(first)
    assert [key for key, line in first.items() if " # " not in line and key not in CORRUPTIONS] == []


@pytest.mark.parametrize("name", ["example", "small"])
def test_printed_recipe_is_a_recipe_file(name, tmp_path, capsys):
    assert main(["train", "--recipe", name, "--print-recipe"]) == 0
    printed = capsys.readouterr().out
    assert name != "example" or printed == EXAMPLE.read_text(encoding="utf-8")
    copy = tmp_path / "copy"
    copy.write_text(printed, encoding="utf-8")
    assert find_recipe(str(copy)) == find_recipe(name)
