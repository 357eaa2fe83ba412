"""The example of ``docs/domain.md`` runs as it stands."""

import re
from pathlib import Path

from andiron.domain.registry import Registry, Target

DOC = Path(__file__).parents[2] / "docs" / "domain.md"


async def test_a_specification_registers_its_handler_and_its_feature():
    (code,) = re.findall(r"^```python\n((?:.*\n)*?)```", DOC.read_text(), re.MULTILINE)
    namespace = {"Registry": Registry, "Target": Target, "tell": lambda request: None}
    exec(compile(code, str(DOC), "exec"), namespace)
    registry = Registry()
    namespace["register"](registry)
    assert "urn:xmpp:time" in registry.features(Target.DOMAIN)
