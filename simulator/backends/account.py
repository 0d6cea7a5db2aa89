"""The simulated application's account: what a bot sets to use its OpenAPI, cards and files."""

import json

import httpx

from dingda.shared.dingtalk.card import callback_secret, route_key_of
from dingda.simulator.backends.organisation import APP_KEY
from dingda.simulator.dingtalk.callback import GROUP_ID
from dingda.simulator.dingtalk.card_templates import ACTION_TEMPLATE, ANSWER_TEMPLATE


def account_settings(url: str, *, mode: str) -> dict[str, str]:
    """The settings of whatever needs an account, but for the secret.

    Args:
        url: the simulator's.
        mode: how messages go to the bot, and the presses on its cards: `http` or `stream`.
    """
    return {
        "DINGDA_APP_KEY": APP_KEY,
        "DINGDA_OPENAPI_URL": f"{url}/openapi",
        "DINGDA_OAPI_URL": f"{url}/openapi",
        "DINGDA_MEDIA_HOSTS": url,
        "DINGDA_GROUPS": json.dumps({"ops": GROUP_ID}),
        "DINGDA_CARD_TEMPLATE": ACTION_TEMPLATE,
        "DINGDA_CARD_CALLBACK": mode,
        "DINGDA_ANSWER_CARD_TEMPLATE": ANSWER_TEMPLATE,
        "DINGDA_ANSWER_CARD_KEY": "content",
    }


def register_card_callback(
    openapi_url: str, *, app_key: str, app_secret: str, callback_url: str
) -> None:
    """Say where presses on an application's cards go over HTTP, as `dingda cards register` does.

    Args:
        openapi_url: of a simulator that runs.
        app_key: the application's.
        app_secret: likewise.
        callback_url: the gateway's, for them.

    Raises:
        httpx.HTTPError: if it is not registered.
    """
    with httpx.Client(base_url=openapi_url, trust_env=False) as http:
        account = {"appKey": app_key, "appSecret": app_secret}
        given = http.post("/v1.0/oauth2/accessToken", json=account).raise_for_status().json()
        http.post(
            "/v1.0/card/callbacks/register",
            headers={"x-acs-dingtalk-access-token": given["accessToken"]},
            json={
                "callbackRouteKey": route_key_of(app_key),
                "callbackUrl": callback_url,
                "apiSecret": callback_secret(app_secret),
                "forceUpdate": True,
            },
        ).raise_for_status()
