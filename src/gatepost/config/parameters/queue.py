"""Parameters: the queue: where, how much, how often, how long; bounces and notices."""

from __future__ import annotations

from gatepost.config.parameter import duration, number, text, words, yes_no

QUEUE_DIRECTORY = text("queue_directory", "/var/spool/postfix", "Where accepted mail is kept until it is delivered.")
DATA_DIRECTORY = text("data_directory", "/var/lib/postfix", "Where caches are kept.")
MAIL_OWNER = text("mail_owner", "postfix", "The user who owns the queue.")
PROCESS_NAME = text("process_name", "smtpd", "The program that asks: set by the service.")
PROCESS_ID = text("process_id", "", "The process that asks.")
SERVICE_NAME = text("service_name", "", "The master.cf name of the service that asks.")
MASTER_SERVICE_DISABLE = words("master_service_disable", "", """
    Services of master.cf that are left out: `name.type`, `type`, or `inet` for all such services.""")
MULTI_INSTANCE_NAME = text("multi_instance_name", "", "The name of this instance among several.")
DEFAULT_PROCESS_LIMIT = number("default_process_limit", "100", """
    Sessions of a service at a time where its master.cf entry does not say it.""", low=1)
MESSAGE_SIZE_LIMIT = number("message_size_limit", "10240000", "The largest message, in bytes. 0: no limit.")
QUEUE_MINFREE = number("queue_minfree", "0", """
    Bytes that must be free in the queue's file system for MAIL to be accepted.""")
HOPCOUNT_LIMIT = number("hopcount_limit", "50", "Received: headers a message may have.", low=1)
ENABLE_LONG_QUEUE_IDS = yes_no("enable_long_queue_ids", "no", "Queue ids that are never used twice?")
QUEUE_RUN_DELAY = duration("queue_run_delay", "300s", "How often the deferred queue is looked through.", low=1)
MINIMAL_BACKOFF_TIME = duration("minimal_backoff_time", "300s", "The shortest pause between two tries.", low=1)
MAXIMAL_BACKOFF_TIME = duration("maximal_backoff_time", "4000s", "The longest pause between two tries.", low=1)
MAXIMAL_QUEUE_LIFETIME = duration("maximal_queue_lifetime", "5d", """
    How long delivery is tried. 0: once.""")
BOUNCE_QUEUE_LIFETIME = duration("bounce_queue_lifetime", "5d", "The same for bounces.")
DELAY_WARNING_TIME = duration("delay_warning_time", "0h", "When the sender is told of a delay. 0: never.")
QMGR_MESSAGE_ACTIVE_LIMIT = number("qmgr_message_active_limit", "20000", "Messages in delivery at a time.", low=1)
DEFAULT_DESTINATION_CONCURRENCY_LIMIT = number("default_destination_concurrency_limit", "20", """
    Deliveries to one destination at a time. TRANSPORT_destination_concurrency_limit says it for one transport.""")
DEFAULT_DESTINATION_RECIPIENT_LIMIT = number("default_destination_recipient_limit", "50", """
    Recipients in one delivery. TRANSPORT_destination_recipient_limit says it for one transport.""")
LOCAL_DESTINATION_CONCURRENCY_LIMIT = number("local_destination_concurrency_limit", "2", """
    Deliveries to one local user at a time.""")
LOCAL_DESTINATION_RECIPIENT_LIMIT = number("local_destination_recipient_limit", "1", """
    Recipients in one local delivery.""")
SMTP_DESTINATION_CONCURRENCY_LIMIT = number("smtp_destination_concurrency_limit",
    "$default_destination_concurrency_limit", "Deliveries to one destination at a time over SMTP.")
SMTP_DESTINATION_RECIPIENT_LIMIT = number("smtp_destination_recipient_limit",
    "$default_destination_recipient_limit", "Recipients in one SMTP delivery.")
LMTP_DESTINATION_CONCURRENCY_LIMIT = number("lmtp_destination_concurrency_limit",
    "$default_destination_concurrency_limit", "Deliveries to one destination at a time over LMTP.")
LMTP_DESTINATION_RECIPIENT_LIMIT = number("lmtp_destination_recipient_limit",
    "$default_destination_recipient_limit", "Recipients in one LMTP delivery.")
RELAY_DESTINATION_CONCURRENCY_LIMIT = number("relay_destination_concurrency_limit",
    "$default_destination_concurrency_limit", "Deliveries to one destination at a time of transport relay.")
RELAY_DESTINATION_RECIPIENT_LIMIT = number("relay_destination_recipient_limit",
    "$default_destination_recipient_limit", "Recipients in one delivery of transport relay.")
VIRTUAL_DESTINATION_CONCURRENCY_LIMIT = number("virtual_destination_concurrency_limit",
    "$default_destination_concurrency_limit", "Deliveries to one mailbox domain at a time.")
VIRTUAL_DESTINATION_RECIPIENT_LIMIT = number("virtual_destination_recipient_limit",
    "$default_destination_recipient_limit", "Recipients in one delivery to mailbox domains.")
DEFER_TRANSPORTS = words("defer_transports", "", "Transports that are not tried unless the queue is flushed.")
BOUNCE_SIZE_LIMIT = number("bounce_size_limit", "50000", "Bytes of the original that a bounce returns.", low=1)
DOUBLE_BOUNCE_SENDER = text("double_bounce_sender", "double-bounce", """
    Sender of notices whose bounce is thrown away.""")
SYSLOG_NAME = text("syslog_name", "${multi_instance_name?{$multi_instance_name}:{postfix}}", """
    What stands before the program's name in log lines: postfix/smtpd.""")
MAILLOG_FILE = text("maillog_file", "", "Log file, or /dev/stdout; empty: syslog.")
MAILLOG_FILE_PREFIXES = words("maillog_file_prefixes", "/var, /dev/stdout", "Where maillog_file may be.")
