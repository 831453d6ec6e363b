"""The errors of OAI-PMH, as the repository means them: documents to everybody but `oai`."""


class OaiError(Exception):
    """An error condition (OAI-PMH section 3.6).

    Attributes:
        code: one of the eight of the specification.
        text: for people.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
