"""Modules of JavaScript joined into one text."""

import shutil
import subprocess

import pytest

from andiron.web.modules import join


def test_each_module_stands_behind_those_it_imports_and_keeps_its_names():
    modules = {
        "main": "import words from './words-de.js';\nimport { twice, Half } from './sum.js';\n\n"
        "const LIMIT = 1;\n\nexport async function run() {\n"
        "  return [words.yes, twice(LIMIT)];\n}\n",
        "sum": "/** Of sums.\n * import this\n */\n\nconst LIMIT = 2;\n\n"
        "export const twice = (one) => one * LIMIT;\nexport class Half {}\n",
        "words-de": "// German\nexport default {\n  yes: 'ja // doch',\n};\n",
        "unused": "export const nothing = 0;\n",
    }
    assert join(modules, "main") == (
        "const $words_de = (() => {\nconst $default = {\n  yes: 'ja // doch',\n};\n"
        "return { default: $default };\n})();\n"
        "\nconst $sum = (() => {\n\nconst LIMIT = 2;\n\nconst twice = (one) => one * LIMIT;\n"
        "class Half {}\nreturn { twice, Half };\n})();\n"
        "\nconst $main = (() => {\nconst { default: words } = $words_de;\n"
        "const { twice, Half } = $sum;\n\nconst LIMIT = 1;\n\nasync function run() {\n"
        "  return [words.yes, twice(LIMIT)];\n}\nreturn { run };\n})();\n"
    )


def test_what_is_joined_runs():
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js")
    modules = {
        "main": "import de from './de.js';\n\nexport const say = () => de.yes;\n",
        "de": "export default { yes: 'ja' };\n",
    }
    script = join(modules, "main") + "console.log($main.say());"
    output = subprocess.run([node, "-e", script], check=True, capture_output=True, text=True).stdout
    assert output == "ja\n"


@pytest.mark.parametrize(
    "line",
    ["import * as all from './b.js';", "import 'elsewhere';", "export { a };", "export let a;"],
)
def test_what_is_not_understood_is_refused(line):
    with pytest.raises(ValueError, match=r"a\.js: (import|export)"):
        join({"a": f"{line}\n", "b": ""}, "a")


def test_modules_that_import_each_other_are_refused():
    modules = {"a": "import { b } from './b.js';\n", "b": "import { a } from './a.js';\n"}
    with pytest.raises(ValueError, match="a imports b imports a"):
        join(modules, "a")
