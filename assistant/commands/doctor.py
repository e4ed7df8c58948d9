"""doctor."""

from __future__ import annotations

import time

from rich.console import Console

from assistant import config, doctor
from assistant.commands.common import connected, current_root, print_json, run
from assistant.daemon.engines import Engines
from assistant.doctor import Check
from assistant.errors import AssistantError
from assistant.hardware.probe import probe
from assistant.hardware.tiers import TIERS, tier_for
from assistant.protocol import Method, StatusResult
from assistant.settings import Settings


def check(as_json: bool) -> None:
    """Runs all checks, prints them, and leaves judging to the reader: the exit code is 0."""
    root = current_root(None)
    found = config.load(root)
    hardware = probe()
    tier = tier_for(hardware) if found.settings.tier == "auto" else TIERS[found.settings.tier]
    checks = [doctor.check_python(), doctor.check_directories()]
    checks += [Check("config", False, warning, "Correct it.") for warning in found.warnings]
    settings = found.settings
    checks.append(doctor.check_embedder(settings.index.embedder, settings.ollama.host))
    pull = {"completion": tier.completion.name, "chat": tier.chat.name}
    checks += run(_live(settings, pull))
    is_well = all(one.ok for one in checks)
    if as_json:
        print_json(
            {
                "ok": is_well,
                "checks": [one.to_json() for one in checks],
                "tier": tier.name,
                "hardware": hardware.model_dump(mode="json"),
            }
        )
        return
    _print(checks, tier.name)


async def _live(settings: Settings, pull: dict[str, str]) -> list[Check]:
    """Returns the checks that ask the daemon and the engine."""
    started = time.monotonic()
    try:
        async with connected(current_root(None)) as session:
            connect_ms = (time.monotonic() - started) * 1000
            status = StatusResult.model_validate(await session.call(Method.STATUS))
    except AssistantError as error:
        return [Check("daemon", False, error.message, error.hint)]
    checks = [Check("daemon", True, f"pid {status.pid}, answered after {connect_ms:.0f} ms")]
    checks.append(doctor.check_engine(status))
    checks += doctor.check_roles(status, pull)
    if status.roles.get("completion"):
        checks.append(await _fim(settings))
    return checks + doctor.check_index(status.index)


async def _fim(settings: Settings) -> Check:
    engines = Engines()
    try:
        choice = await engines.for_completion(settings)
        assert choice.model is not None
        return doctor.check_fim(choice.model)
    except AssistantError as error:
        return Check("fill in the middle", False, error.message, error.hint)
    finally:
        await engines.aclose()


def _print(checks: list[Check], tier: str) -> None:
    console = Console(highlight=False)
    for one in checks:
        mark = "[green]ok  [/]" if one.ok else "[red]FAIL[/]"
        console.print(f"{mark} {one.name}: ", end="")
        console.print(one.detail, markup=False)
        if one.hint and not one.ok:
            console.print(f"     {one.hint}", markup=False)
    console.print(f"tier {tier}")
