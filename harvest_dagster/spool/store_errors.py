"""Classify the errors of an object store: is it away for some time, does a file not exist, or must a person act?

Each client of fsspec has exceptions of its own, and s3fs turns most of them into OSError. So this module looks at the
error code of the store, at the HTTP status, and at the names of the classes, also in the causes of an error.
"""

from __future__ import annotations

from collections.abc import Iterator

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html. Other stores use the same codes.
_TRANSIENT_CODES = frozenset(
    {
        "InternalError",
        "ServiceUnavailable",
        "SlowDown",
        "RequestTimeout",
        "OperationAborted",
        "ConditionalRequestConflict",
        "TemporaryRedirect",
        "Throttling",
        "ThrottlingException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "TooManyRequests",
        "BandwidthLimitExceeded",
        "XAmzContentSHA256Mismatch",  # the body was changed on its way
        "BadDigest",
    }
)
# Temporary credentials have expired. A service or a person replaces them while ops wait.
_EXPIRED_CODES = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}
)
_TRANSIENT_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_TRANSIENT_CLASSES = frozenset(
    {
        "ConnectionError",  # of Python
        "TimeoutError",
        "gaierror",  # no address: the name server may be away, too
        "FSTimeoutError",
        "HTTPClientError",  # of botocore: no connection, a lost connection, no answer
        "IncompleteReadError",
        "ResponseStreamingError",
        "ResponseParserError",  # a proxy answered with a page of its own
        "CredentialRetrievalError",  # the service that issues credentials does not answer
        "MetadataRetrievalError",
        "ClientConnectionError",  # of aiohttp
        "ClientPayloadError",
        "ServiceRequestError",  # of azure-core
        "ServiceResponseError",
        "TransportError",  # of google-auth
    }
)
# botocore and aiohttp derive these from classes above. Waiting does not make a certificate valid.
_PERMANENT_CLASSES = frozenset({"SSLError", "SSLCertVerificationError", "ClientConnectorCertificateError"})

_ACCESS = "Allow the credentials to list the bucket, and to read, write and delete objects below the prefix."
_CREDENTIALS = (
    "Correct the credentials, for example AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile."
)
_REGION = "Set the region of the bucket (AWS_DEFAULT_REGION), and the endpoint if it is not AWS."
_REMEDIES = {
    "NoSuchBucket": "Create the bucket, or correct HARVEST_SPOOL. No bucket is ever created automatically.",
    "AccessDenied": _ACCESS,
    "AllAccessDisabled": _ACCESS,
    "403": _ACCESS,
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CREDENTIALS,
    "InvalidToken": _CREDENTIALS,
    "NoCredentialsError": _CREDENTIALS,
    "PartialCredentialsError": _CREDENTIALS,
    "ProfileNotFound": _CREDENTIALS,
    "PermanentRedirect": _REGION,
    "301": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "InvalidLocationConstraint": _REGION,
    "RequestTimeTooSkewed": "Set the clock of this machine.",
}
_OTHER_REMEDY = "Correct HARVEST_SPOOL, or the settings of its object store."


def is_missing(error: BaseException) -> bool:
    """Return whether an error says that there is no such file. A bucket that does not exist is another error."""
    return isinstance(error, FileNotFoundError) and not _has(error, {"NoSuchBucket"})


def is_empty(error: BaseException) -> bool:
    """Return whether an error says that a file has no bytes in the requested range."""
    return _has(error, {"InvalidRange", "416"})


def is_expired(error: BaseException) -> bool:
    """Return whether an error says that temporary credentials have expired."""
    return _has(error, _EXPIRED_CODES)


def is_transient(error: BaseException) -> bool:
    """Return whether the same call may succeed later although nobody changes the configuration."""
    if is_expired(error):
        return True
    names = set(_class_names(error))
    if names & _PERMANENT_CLASSES:
        return False
    return _has(error, _TRANSIENT_CODES) or _has_transient_status(error) or bool(names & _TRANSIENT_CLASSES)


def remedy(error: BaseException) -> str:
    """Return what a person has to do about a permanent error, as a sentence."""
    keys = [*_codes(error), *_class_names(error)]
    return next((_REMEDIES[key] for key in keys if key in _REMEDIES), _OTHER_REMEDY)


def describe(error: BaseException) -> str:
    """Return the first line of an error, with its code if the message does not contain it."""
    lines = str(error).strip().splitlines()
    text = lines[0].strip().rstrip(".") if lines else ""
    code = next(iter(_codes(error)), type(error).__name__)
    return text if code in text else f"{text} ({code})" if text else code


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _codes(error: BaseException) -> Iterator[str]:
    """Yield the error codes of the store in an error and its causes."""
    for one in _chain(error):
        response = getattr(one, "response", None)
        if isinstance(response, dict) and isinstance(response.get("Error"), dict):
            yield str(response["Error"].get("Code", ""))


def _has(error: BaseException, codes: set[str] | frozenset[str]) -> bool:
    return any(code in codes for code in _codes(error))


def _has_transient_status(error: BaseException) -> bool:
    for one in _chain(error):
        response = getattr(one, "response", None)
        metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
        found = [metadata.get("HTTPStatusCode")]
        found += [getattr(one, name, None) for name in ("status", "code", "status_code")]
        if any(isinstance(status, int) and status in _TRANSIENT_STATUS for status in found):
            return True
    return False


def _class_names(error: BaseException) -> Iterator[str]:
    for one in _chain(error):
        yield from (kind.__name__ for kind in type(one).__mro__)
