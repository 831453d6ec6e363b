"""The errors of the simulator: OAI-PMH error conditions and invalid scenarios."""


class OaiError(Exception):
    """An OAI-PMH error condition (section 3.6). Each protocol turns it into a response document.

    Attributes:
        code: one of the eight codes of the specification.
        text: the explanation for people.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class ScenarioError(ValueError):
    """A scenario is invalid.

    Attributes:
        problems: every problem of the scenario, each with its place and the allowed values.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
