"""Which TLS does a service speak? An SSLContext built from settings, or the reason why there is none.

Postfix's behaviour: where TLS is optional (`may`) and the certificate or key cannot be used, the service starts,
STARTTLS is answered `454 4.7.0 TLS not available due to local problem`, and `ServerTls.problem` says why (a warning).
Where TLS is demanded (`encrypt`, wrapper mode) the same is a ConfigError: nobody could use the service.

Differences from Postfix, by what Python's ssl offers: a client certificate that does not verify fails the handshake
(smtpd_tls_ask_ccert); of a chain file only the first key and chain are read; there is no certificate-less TLS. This
file must not know sockets or sessions.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gatepost.config import parameters as p
from gatepost.config.parameter import Parameter, Word
from gatepost.config.settings import Settings
from gatepost.server.tls_facts import remember_name
from gatepost.server.tls_versions import BadVersions, Versions
from gatepost.span import ConfigError

SniChains = Callable[[str], Sequence[str] | None]
"""The chain files for a server name (tls_server_sni_maps), None for the service's own."""

_LISTS: dict[str, Parameter[str]] = {
    "high": p.TLS_HIGH_CIPHERLIST,
    "medium": p.TLS_MEDIUM_CIPHERLIST,
    "low": p.TLS_LOW_CIPHERLIST,
    "export": p.TLS_EXPORT_CIPHERLIST,
    "null": p.TLS_NULL_CIPHERLIST,
}
_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
_WITHOUT = {
    "TLSv1": ssl.OP_NO_TLSv1,
    "TLSv1.1": ssl.OP_NO_TLSv1_1,
    "TLSv1.2": ssl.OP_NO_TLSv1_2,
    "TLSv1.3": ssl.OP_NO_TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a service has of TLS. `level` is none, may or encrypt; `context` is None when TLS is off or not usable, then
    `problem` says why it is not usable."""

    level: str
    context: ssl.SSLContext | None = None
    problem: ConfigError | None = None


def tls_level(settings: Settings) -> str:
    """none, may or encrypt. Wrapper mode demands TLS; smtpd_tls_security_level wins over the older two switches."""
    if settings[p.SMTPD_TLS_WRAPPERMODE]:
        return "encrypt"
    level = settings[p.SMTPD_TLS_SECURITY_LEVEL]
    if level in ("none", "may"):
        return level
    if level:
        return "encrypt"
    if settings[p.SMTPD_ENFORCE_TLS]:
        return "encrypt"
    return "may" if settings[p.SMTPD_USE_TLS] else "none"


def server_tls(settings: Settings, sni: SniChains | None = None) -> ServerTls:
    """The TLS of a service. ConfigError where TLS is demanded and cannot be had."""
    level = tls_level(settings)
    if level == "none":
        return ServerTls(level)
    try:
        return ServerTls(level, _context(settings, level == "encrypt", sni))
    except ConfigError as problem:
        if level == "encrypt":
            raise
        return ServerTls(level, None, problem)


def _context(settings: Settings, mandatory: bool, sni: SniChains | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chains = _chains(settings)
    if not chains:
        raise ConfigError(
            "no server certificate: smtpd_tls_chain_files and smtpd_tls_cert_file are empty",
            settings.span(p.SMTPD_TLS_SECURITY_LEVEL),
        )
    for certificate, key, parameter in chains:
        _load_chain(context, certificate, key, settings, parameter)
    _limit_versions(context, settings, p.SMTPD_TLS_MANDATORY_PROTOCOLS if mandatory else p.SMTPD_TLS_PROTOCOLS)
    _choose_ciphers(context, settings, mandatory)
    _set_options(context, settings)
    _trust(context, settings)

    contexts: dict[tuple[str, ...], ssl.SSLContext | None] = {}

    def named(secured: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name is None:
            return
        remember_name(secured, name)
        files = tuple(sni(name) or ()) if sni is not None else ()
        if not files:
            return
        if files not in contexts:
            contexts[files] = _context_of(files, settings)
        if (own := contexts[files]) is not None:
            secured.context = own

    context.sni_callback = named
    return context


def _context_of(files: Sequence[str], settings: Settings) -> ssl.SSLContext | None:
    """The certificates of one server name, all that changes with it; None, so that the service's own are used, when
    the files cannot be."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        for file in files:
            _load_chain(context, file, file, settings, p.TLS_SERVER_SNI_MAPS)
    except ConfigError:
        return None
    return context


def _chains(settings: Settings) -> list[tuple[str, str, Parameter[str] | Parameter[tuple[Word, ...]]]]:
    """(certificate file, key file, parameter that names them); smtpd_tls_chain_files excludes the others."""
    files = settings[p.SMTPD_TLS_CHAIN_FILES]
    if files:
        return [(word.text, word.text, p.SMTPD_TLS_CHAIN_FILES) for word in files]
    pairs = [
        (settings[certificate], settings[key], certificate)
        for certificate, key in (
            (p.SMTPD_TLS_CERT_FILE, p.SMTPD_TLS_KEY_FILE),
            (p.SMTPD_TLS_ECCERT_FILE, p.SMTPD_TLS_ECKEY_FILE),
            (p.SMTPD_TLS_DCERT_FILE, p.SMTPD_TLS_DKEY_FILE),
        )
    ]
    return [(certificate, key, parameter) for certificate, key, parameter in pairs if certificate not in ("", "none")]


def certificate_files(settings: Settings) -> tuple[str, ...]:
    """The level of a service's TLS, then every certificate and key file; () without TLS."""
    level = tls_level(settings)
    if level == "none":
        return ()
    return (level, *(file for certificate, key, _ in _chains(settings) for file in (certificate, key or certificate)))


def _load_chain(
    context: ssl.SSLContext,
    certificate: str,
    key: str,
    settings: Settings,
    parameter: Parameter[str] | Parameter[tuple[Word, ...]],
) -> None:
    span = settings.span(parameter)
    for file in dict.fromkeys((certificate, key)):
        try:
            open(file, "rb").close()
        except OSError as error:
            raise ConfigError(f"cannot read TLS certificate or key: {error.strerror}", span, file) from None
    try:
        # A pass phrase is never asked for: nobody is there to type it.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None)
        if reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"the key in {key} does not belong to the certificate", span, certificate) from None
        raise ConfigError(
            f"cannot use TLS certificate and key in {key}: {reason or error}", span, certificate
        ) from None


def _limit_versions(context: ssl.SSLContext, settings: Settings, parameter: Parameter[tuple[Word, ...]]) -> None:
    words = settings[parameter]
    try:
        allowed = Versions.read([word.text for word in words]).allowed
    except BadVersions as error:
        span = next((word.span for word in words if word.text == error.word), None) or settings.span(parameter)
        raise ConfigError(f"unknown TLS protocol in {parameter.name}", span, error.word) from None
    usable = [name for name in _VERSIONS if name in allowed]
    if not usable:
        raise ConfigError(f"{parameter.name} allows no TLS version", settings.span(parameter))
    with warnings.catch_warnings():
        # Old versions are what the operator may ask for; the system's policy can still refuse them.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = _VERSIONS[usable[0]]
        context.maximum_version = _VERSIONS[usable[-1]]
        for name in _VERSIONS:
            if usable[0] < name < usable[-1] and name not in usable:
                context.options |= _WITHOUT[name]


def _choose_ciphers(context: ssl.SSLContext, settings: Settings, mandatory: bool) -> None:
    grade = settings[p.SMTPD_TLS_MANDATORY_CIPHERS if mandatory else p.SMTPD_TLS_CIPHERS]
    excluded: tuple[Word, ...] = settings[p.SMTPD_TLS_EXCLUDE_CIPHERS]
    if mandatory:
        demanded: tuple[Word, ...] = settings[p.SMTPD_TLS_MANDATORY_EXCLUDE_CIPHERS]
        excluded += demanded
    names = [name for word in excluded for name in word.text.split(":") if name]
    ciphers = ":".join([settings[_LISTS[grade]], *(f"!{name}" for name in names)])
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        raise ConfigError(f"no TLS cipher is left of grade {grade}", settings.span(_LISTS[grade]), ciphers) from None


def _set_options(context: ssl.SSLContext, settings: Settings) -> None:
    if settings[p.TLS_PREEMPT_CIPHERLIST]:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    for word in settings[p.TLS_SSL_OPTIONS]:
        option = getattr(ssl, f"OP_{word.text.upper()}", None)
        if option is None:
            try:
                option = int(word.text, 16)
            except ValueError:
                raise ConfigError("unknown name in tls_ssl_options", word.span, word.text) from None
        context.options |= option
    if settings[p.SMTPD_TLS_SESSION_CACHE_TIMEOUT] > 0:
        context.num_tickets = 1  # a mail client resumes one connection, not several at once as a browser does
    else:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
    grade = settings[p.SMTPD_TLS_EECDH_GRADE]
    curves = {"strong": p.TLS_EECDH_STRONG_CURVE, "ultra": p.TLS_EECDH_ULTRA_CURVE}
    if grade in curves:
        try:
            context.set_ecdh_curve(settings[curves[grade]])
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(f"unusable curve: {error}", settings.span(curves[grade])) from None


def _trust(context: ssl.SSLContext, settings: Settings) -> None:
    """Whose client certificates count. Asked for only where the operator says so."""
    file, folder = settings[p.SMTPD_TLS_CAFILE], settings[p.SMTPD_TLS_CAPATH]
    if file or folder:
        try:
            context.load_verify_locations(file or None, folder or None)
        except (OSError, ssl.SSLError) as error:
            parameter = p.SMTPD_TLS_CAFILE if file else p.SMTPD_TLS_CAPATH
            raise ConfigError(f"cannot read trusted authorities: {error}", settings.span(parameter)) from None
    if settings[p.TLS_APPEND_DEFAULT_CA]:
        context.set_default_verify_paths()
    if settings[p.SMTPD_TLS_ASK_CCERT] or settings[p.SMTPD_TLS_REQ_CCERT]:
        context.verify_mode = ssl.CERT_OPTIONAL
