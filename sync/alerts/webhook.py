"""Post an alert to a web address."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from sync.alerts import wording
from sync.ports.alerts import Alert, AlertFailed


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follow nobody: a redirect would turn the POST into a GET, or take it to another host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        """Decline."""
        return


class Webhook:
    """Send the alert as JSON by POST; any 2xx is acceptance."""

    name = "webhook"

    def __init__(self, url: str, *, proxy: str | None, ca_bundle: Path | None, timeout: float) -> None:
        """Take the address, and the way to it that the sites' requests take too."""
        self._url = url
        self._timeout = timeout
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._ca_bundle = ca_bundle

    def send(self, alert: Alert) -> None:
        """Post the alert; the address is never in the error, it may be a secret."""
        if self._proxies.get("https", "").startswith("socks"):
            raise AlertFailed("a webhook cannot go through the SOCKS proxy of [transport]; use a command instead")
        body = json.dumps(wording.document(alert), ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "syncline"}
        try:
            # S310: the configuration admits http and https only
            request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")  # noqa: S310
            with self._opener().open(request, timeout=self._timeout) as reply:
                reply.read(1024)
        except urllib.error.HTTPError as error:
            error.close()
            raise AlertFailed(f"the server answered with status {error.code}") from None
        except TimeoutError:
            raise AlertFailed(f"the server did not answer within {self._timeout:g} seconds") from None
        except urllib.error.URLError as error:
            raise AlertFailed(f"the server could not be reached ({type(error.reason).__name__})") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AlertFailed(f"the alert could not be sent ({type(error).__name__})") from None

    def _opener(self) -> urllib.request.OpenerDirector:
        context = ssl.create_default_context(cafile=str(self._ca_bundle) if self._ca_bundle else None)
        return urllib.request.build_opener(
            urllib.request.ProxyHandler(self._proxies),
            urllib.request.HTTPSHandler(context=context),
            _NoRedirect(),
        )
