"""The answers to a session's questions, by subject: one coroutine per stage (server/perform.py has the table).

Each returns None (go on), a Reply (instead of the session's own) or an Answered with context. A failing lookup, disk or
peer becomes a temporary reply here. These files must not know restrictions by name, nor sockets.
"""
