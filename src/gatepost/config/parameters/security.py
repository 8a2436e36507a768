"""Parameters: TLS of the server, login (SASL)."""

from __future__ import annotations

from gatepost.config.parameter import duration, number, one_of, text, words, yes_no

SMTPD_TLS_SECURITY_LEVEL = one_of("smtpd_tls_security_level", "", ("", "none", "may", "encrypt", "verify", "secure",
                                  "dane", "dane-only", "fingerprint"), """
    none: no TLS; may: STARTTLS is offered; encrypt: nothing but STARTTLS is answered before TLS. Levels above count as
    encrypt. Empty: smtpd_use_tls and smtpd_enforce_tls say it.""")
SMTPD_USE_TLS = yes_no("smtpd_use_tls", "no", "Older way to say smtpd_tls_security_level = may.")
SMTPD_ENFORCE_TLS = yes_no("smtpd_enforce_tls", "no", "Older way to say smtpd_tls_security_level = encrypt.")
SMTPD_TLS_WRAPPERMODE = yes_no("smtpd_tls_wrappermode", "no", "Does TLS begin before the greeting (port 465)?")
SMTPD_TLS_AUTH_ONLY = yes_no("smtpd_tls_auth_only", "no", "Offer AUTH only within TLS?")
SMTPD_TLS_CERT_FILE = text("smtpd_tls_cert_file", "", "PEM file with the RSA certificate and its chain.")
SMTPD_TLS_KEY_FILE = text("smtpd_tls_key_file", "$smtpd_tls_cert_file", "PEM file with the key of smtpd_tls_cert_file.")
SMTPD_TLS_ECCERT_FILE = text("smtpd_tls_eccert_file", "", "PEM file with the ECDSA certificate and its chain.")
SMTPD_TLS_ECKEY_FILE = text("smtpd_tls_eckey_file", "$smtpd_tls_eccert_file", """
    PEM file with the key of smtpd_tls_eccert_file.""")
SMTPD_TLS_DCERT_FILE = text("smtpd_tls_dcert_file", "", "PEM file with the DSA certificate; obsolete.")
SMTPD_TLS_DKEY_FILE = text("smtpd_tls_dkey_file", "$smtpd_tls_dcert_file", "PEM file with the DSA key; obsolete.")
SMTPD_TLS_CHAIN_FILES = words("smtpd_tls_chain_files", "", """
    PEM files that each hold a key and behind it its certificate chain. Replaces the cert and key parameters.""")
SMTPD_TLS_CAFILE = text("smtpd_tls_CAfile", "", "PEM file of authorities trusted to sign client certificates.")
SMTPD_TLS_CAPATH = text("smtpd_tls_CApath", "", "Directory of such authorities, by hash.")
TLS_APPEND_DEFAULT_CA = yes_no("tls_append_default_CA", "no", "Trust the system's authorities as well?")
SMTPD_TLS_PROTOCOLS = words("smtpd_tls_protocols", ">=TLSv1", """
    TLS versions accepted where TLS is optional: `>=TLSv1.2`, `<=TLSv1.3`, or names, `!` before unwanted ones.""")
SMTPD_TLS_MANDATORY_PROTOCOLS = words("smtpd_tls_mandatory_protocols", ">=TLSv1", """
    TLS versions accepted where TLS is required.""")
SMTPD_TLS_CIPHERS = one_of("smtpd_tls_ciphers", "medium", ("export", "low", "medium", "high", "null"), """
    The least cipher grade where TLS is optional.""")
SMTPD_TLS_MANDATORY_CIPHERS = one_of("smtpd_tls_mandatory_ciphers", "medium",
                                     ("export", "low", "medium", "high", "null"), """
    The least cipher grade where TLS is required.""")
SMTPD_TLS_EXCLUDE_CIPHERS = words("smtpd_tls_exclude_ciphers", "", "Ciphers never used.")
SMTPD_TLS_MANDATORY_EXCLUDE_CIPHERS = words("smtpd_tls_mandatory_exclude_ciphers", "", """
    Ciphers not used where TLS is required.""")
TLS_HIGH_CIPHERLIST = text("tls_high_cipherlist", "aNULL:-aNULL:HIGH:@STRENGTH", "OpenSSL list of grade high.")
TLS_MEDIUM_CIPHERLIST = text("tls_medium_cipherlist", "aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH", """
    OpenSSL list of grade medium.""")
TLS_LOW_CIPHERLIST = text("tls_low_cipherlist", "aNULL:-aNULL:HIGH:MEDIUM:LOW:+RC4:@STRENGTH", """
    OpenSSL list of grade low; obsolete.""")
TLS_EXPORT_CIPHERLIST = text("tls_export_cipherlist", "aNULL:-aNULL:HIGH:MEDIUM:LOW:EXPORT:+RC4:@STRENGTH", """
    OpenSSL list of grade export; obsolete.""")
TLS_NULL_CIPHERLIST = text("tls_null_cipherlist", "eNULL:!aNULL", "OpenSSL list of grade null: no encryption.")
TLS_PREEMPT_CIPHERLIST = yes_no("tls_preempt_cipherlist", "no", "Let the server's order of ciphers decide?")
TLS_SSL_OPTIONS = words("tls_ssl_options", "", "OpenSSL options to turn on: `NO_RENEGOTIATION`, `NO_TICKET`, ...")
SMTPD_TLS_EECDH_GRADE = one_of("smtpd_tls_eecdh_grade", "auto", ("auto", "none", "strong", "ultra"), """
    Which curves are used for key exchange.""")
TLS_EECDH_STRONG_CURVE = text("tls_eecdh_strong_curve", "prime256v1", "The curve of grade strong.")
TLS_EECDH_ULTRA_CURVE = text("tls_eecdh_ultra_curve", "secp384r1", "The curve of grade ultra.")
SMTPD_TLS_ASK_CCERT = yes_no("smtpd_tls_ask_ccert", "no", "Ask the client for a certificate?")
SMTPD_TLS_REQ_CCERT = yes_no("smtpd_tls_req_ccert", "no", """
    Refuse service to clients without a trusted certificate, where TLS is required?""")
SMTPD_TLS_FINGERPRINT_DIGEST = text("smtpd_tls_fingerprint_digest",
    "${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}", "The digest of client certificate fingerprints.")
SMTPD_TLS_RECEIVED_HEADER = yes_no("smtpd_tls_received_header", "no", "Tell TLS details in Received: headers?")
SMTPD_TLS_SESSION_CACHE_TIMEOUT = duration("smtpd_tls_session_cache_timeout", "3600s", """
    How long TLS sessions and tickets are good.""")
TLS_SERVER_SNI_MAPS = words("tls_server_sni_maps", "", "Tables server name -> chain file, for clients that name one.")
RELAY_CLIENTCERTS = words("relay_clientcerts", "", "Tables of client certificate fingerprints that may relay.")

SMTPD_SASL_AUTH_ENABLE = yes_no("smtpd_sasl_auth_enable", "no", "Offer login (AUTH)?")
SMTPD_SASL_TYPE = text("smtpd_sasl_type", "cyrus", "Who knows the passwords: `dovecot`, or `cyrus`.")
SMTPD_SASL_PATH = text("smtpd_sasl_path", "smtpd", """
    Where to ask: for dovecot, a socket below $queue_directory, or inet:host:port.""")
SMTPD_SASL_SERVICE = text("smtpd_sasl_service", "smtp", "The service name told to the password server.")
SMTPD_SASL_SECURITY_OPTIONS = words("smtpd_sasl_security_options", "noanonymous", """
    Mechanisms not wanted: noplaintext noactive nodictionary noanonymous forward_secrecy mutual_auth.""")
SMTPD_SASL_TLS_SECURITY_OPTIONS = words("smtpd_sasl_tls_security_options", "$smtpd_sasl_security_options", """
    The same within TLS.""")
SMTPD_SASL_MECHANISM_FILTER = words("smtpd_sasl_mechanism_filter", "!external, static:rest", """
    Mechanisms that are offered, of those the password server has. A match list.""")
SMTPD_SASL_EXCEPTIONS_NETWORKS = words("smtpd_sasl_exceptions_networks", "", """
    Clients to which AUTH is not announced. A match list.""")
SMTPD_SASL_AUTHENTICATED_HEADER = yes_no("smtpd_sasl_authenticated_header", "no", """
    Name the login in Received: headers?""")
SMTPD_SASL_RESPONSE_LIMIT = number("smtpd_sasl_response_limit", "12288", """
    The longest line a client may send within AUTH, in bytes.""", low=256)
BROKEN_SASL_AUTH_CLIENTS = yes_no("broken_sasl_auth_clients", "no", """
    Announce AUTH= too, for clients that wait for that?""")
