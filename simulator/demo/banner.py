"""What `dingda demo` prints once it is ready: the commands to type in another terminal."""

import os
import shutil
import sys
from pathlib import Path

from dingda.shared.runtime.environment import ENV_FILE, names_set, written
from dingda.shared.runtime.secret_files import secret_files
from dingda.shared.runtime.skill_modules import SHIPPED_PACKAGE, SHOWCASE, SkillModules
from dingda.simulator.demo.ingress import GATEWAY, REDIS, SIMULATOR, Ingress

_READY = """
  Dingda is ready. Talk to it in a browser: {page}/
  or in another terminal, from this folder:

    {say} "帮助"
{examples}    {chat}
    {status}
    {rq}

{ingress}
{weather}  Ctrl-C stops them all.
"""

_WEATHER = f"{SHIPPED_PACKAGE}.weather"
_EXAMPLES = {
    f"{SHIPPED_PACKAGE}.demo": '"整体跳转"',
    SHOWCASE: '"下午茶"',
    _WEATHER: '"北京明天天气怎么样"',
    f"{SHIPPED_PACKAGE}.coupons": '"优惠券 机械键盘 200元以内"',
    f"{SHIPPED_PACKAGE}.performance": '--single "我的绩效"',
}
"""What the shipped skills understand, by their modules."""


def banner(ingress: Ingress, skills: SkillModules, *, page: str, weather: str) -> str:
    """Tell what runs, and what to type.

    Args:
        ingress: how messages come to the bot.
        skills: what is loaded.
        page: the address of the chat page.
        weather: a line on where the weather comes from, told where its skill is loaded.
    """
    redis_url = f"redis://127.0.0.1:{REDIS.number}/0"
    dingda, simulator, redis = typed("dingda"), _simulator_named(page), _redis_named(redis_url)
    return _READY.format(
        page=page,
        say=f"{simulator}{dingda} say",
        examples=_examples(skills, f"{simulator}{dingda} say"),
        chat=f"{simulator}{dingda} chat",
        status=f"{redis}{dingda} status",
        rq=f"{typed('rq')} info -u {redis_url}",
        ingress=ingress.note.format(page=page, gateway=GATEWAY.number, redis=REDIS.number),
        weather=f"  {weather}\n" if _WEATHER in skills.modules else "",
    )


def typed(command: str) -> str:
    """How an installed command is typed, from this folder."""
    script = Path(sys.executable).with_name(command)
    if shutil.which(command) == str(script):
        return command
    found = str(script) if script.exists() else f"{sys.executable} -m {_MODULES[command]}"
    return found.removeprefix(f"{Path.cwd()}{os.sep}")


_MODULES = {"dingda": "dingda", "rq": "rq.cli"}
"""What Python runs where a command is not installed."""


def _examples(skills: SkillModules, say: str) -> str:
    """A line to type for each shipped skill that is loaded."""
    return "".join(
        f"    {say} {text}\n" for module, text in _EXAMPLES.items() if module in skills.modules
    )


def _simulator_named(page: str) -> str:
    """What leads `say` and `chat` to this demo, where `.env` would lead them elsewhere."""
    in_file = written(ENV_FILE)
    port = in_file.get(SIMULATOR.variable) or str(SIMULATOR.number)
    leads_here = port == str(SIMULATOR.number)
    if leads_here and not {"DINGDA_SIMULATOR_URL", "DINGDA_SIMULATOR_HOST"} & in_file.keys():
        return ""
    return f"DINGDA_SIMULATOR_URL={page} "


def _redis_named(redis_url: str) -> str:
    """What leads `status` to this demo, where the settings name another Redis."""
    variable = "DINGDA_REDIS_URL"
    return f"{variable}={redis_url} " if variable in {*names_set(), *secret_files()} else ""
