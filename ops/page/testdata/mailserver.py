# A mail server for tests: Debian's python3-aiosmtpd on a free port of loopback.
# Usage: mailserver.py none|starttls|tls CERTIFICATE KEY USER PASSWORD
# It writes its port on the first line of standard output, then one JSON object per mail that it took, and ends with its standard input.
import asyncio
import json
import ssl
import sys
import threading

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

mode, certificate, key, user, password = sys.argv[1:]


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        say(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or mode == "tls",
            "user": session.auth_data.decode() if session.auth_data else "",
            "data": envelope.content.decode("ascii"),
        }))
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    if isinstance(data, LoginPassword) and data.login.decode() == user and data.password.decode() == password:
        return AuthResult(success=True, auth_data=data.login)
    return AuthResult(success=False, handled=False)


async def main():
    context = None
    if mode != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)

    def make():
        extra = {}
        if mode == "starttls":
            extra = {"tls_context": context, "require_starttls": True}
        if user:
            extra.update(authenticator=authenticate, auth_required=True, auth_require_tls=mode == "starttls")
        return SMTP(Handler(), hostname="mail.test", **extra)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, "127.0.0.1", 0, ssl=context if mode == "tls" else None)
    end = asyncio.Event()

    def watch():
        sys.stdin.read()
        loop.call_soon_threadsafe(end.set)

    threading.Thread(target=watch, daemon=True).start()
    say(str(server.sockets[0].getsockname()[1]))
    await end.wait()
    server.close()


asyncio.run(main())
