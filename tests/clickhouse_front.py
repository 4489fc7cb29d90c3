"""ClickHouse's HTTP interface over the engine in process, for tests: `python -m clickhouse_front --data DIR`.

It speaks what clickhouse-connect speaks, one statement at a time, and does the faults asked for with POST /__fault.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import chdb
import msgspec
from aiohttp import BasicAuth, web
from chdb._exceptions import ChdbError
from clickhouse_connect.driver._backend.chdb_backend import CHDB_TRANSPORT_SETTINGS
from clickhouse_connect.driver._backend.httpcommon import decompress_response

__all__ = ["Fault"]

_CODES = {"TIMEOUT_EXCEEDED": 159, "TABLE_IS_READ_ONLY": 242, "NOT_ENOUGH_SPACE": 243, "TOO_MANY_PARTS": 252}
_STATUSES = {60: 404, 81: 404, 159: 408, 497: 403, 516: 403}
_QUOTED = str.maketrans({"\\": "\\\\", "'": "\\'"})


class Fault(msgspec.Struct, frozen=True):
    """What goes wrong from now on: each statement starts `delay` seconds late, or with `hang` at the next fault,
    or only the next one with the words of `park`; inserts are refused with the error of a name; the next statement with
    the words of `drop_after` is carried out and not answered; another password is asked for.
    """

    delay: float = 0
    hang: bool = False
    refuse_writes: str = ""
    drop_after: str = ""
    park: str = ""
    password: str | None = None


class _RefusedError(Exception):
    def __init__(self, text: str) -> None:
        found = re.match(r"Code: (\d+)", text)
        super().__init__(text)
        self.code = int(found[1]) if found else 1002


class _Front:
    def __init__(self, folder: Path, password: str) -> None:
        connect: Any = chdb.connect
        self._connection = connect(str(folder))
        self._thread, self._set = ThreadPoolExecutor(1), dict[str, str]()
        self._password, self._fault = password, Fault()
        self._changed = asyncio.Event()

    async def fault(self, request: web.Request) -> web.Response:
        self._fault = fault = msgspec.json.decode(await request.read(), type=Fault)
        self._password = self._password if fault.password is None else fault.password
        self._changed.set()
        self._changed = asyncio.Event()
        return web.Response()

    async def ping(self, _: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def statement(self, request: web.Request) -> web.Response:
        fields: dict[str, Any] = dict(request.query)
        fields |= await request.post()  # a form, or nothing
        body = b"" if "query" in fields and request.content_type.startswith("multipart/") else await request.read()
        body = decompress_response(body, "lz4") if request.headers.get("Content-Encoding") == "lz4" else body
        too_long = max(map(len, fields.values()), default=0) > 2**17  # http_max_field_value_size
        sql = b"\n".join(part for part in (fields.pop("query", "").encode(), body) if part)
        if waits := self._fault.hang or self._has(sql, self._fault.park):
            await self._changed.wait()
        await asyncio.sleep(0 if waits else self._fault.delay)
        try:
            self._admit(request, fields)
            if too_long:
                raise _RefusedError("Code: 1000. DB::Exception: HTML Form Exception: Field value too long. (POCO)")
            if self._fault.refuse_writes and sql.lstrip()[:6].upper() == b"INSERT":
                name = self._fault.refuse_writes
                raise _RefusedError(f"Code: {_CODES[name]}. DB::Exception: as the test wants it. ({name})")
            result = await asyncio.get_running_loop().run_in_executor(self._thread, self._run, sql, fields)
        except _RefusedError as refused:
            headers = {"X-ClickHouse-Exception-Code": str(refused.code)}
            return web.Response(status=_STATUSES.get(refused.code, 500), text=f"{refused}\n", headers=headers)
        if self._has(sql, self._fault.drop_after):
            assert request.transport is not None
            request.transport.abort()
        return result

    def _has(self, sql: bytes, words: str) -> bool:
        """Whether this is the statement that a fault waits for, which happens once."""
        if found := bool(words) and words.encode() in sql:
            self._fault = Fault()
        return found

    def _admit(self, request: web.Request, fields: dict[str, Any]) -> None:
        user, key = request.headers.get("X-ClickHouse-User"), request.headers.get("X-ClickHouse-Key")
        if (basic := request.headers.get("Authorization")) is not None:
            user, key, _ = BasicAuth.decode(basic)
        user, key = fields.pop("user", user), fields.pop("password", key)
        if (user or "default", key or "") != ("default", self._password):
            raise _RefusedError(f"Code: 516. DB::Exception: {user}: Authentication failed. (AUTHENTICATION_FAILED)")

    def _run(self, sql: bytes, fields: Mapping[str, str]) -> web.Response:
        parameters = {name[6:]: value for name, value in fields.items() if name.startswith("param_")}
        settings = {name: fields[name] for name in fields.keys() - CHDB_TRANSPORT_SETTINGS if name[:6] != "param_"}
        self._use(fields.get("database", "default"), settings)
        result = self._ask(sql, parameters)
        headers = {"X-ClickHouse-Summary": f'{{"read_rows": "{result.rows_read()}"}}', "X-ClickHouse-Timezone": "UTC"}
        return web.Response(body=result.bytes() or b"", headers=headers)

    def _use(self, database: str, settings: Mapping[str, str]) -> None:
        self._ask(f"USE `{database}`")
        for name in self._set.keys() - settings.keys():
            self._ask(f"SET {name} = DEFAULT")
            del self._set[name]
        for name, value in settings.items() - self._set.items():
            self._ask(f"SET {name} = '{value.translate(_QUOTED)}'")
            self._set[name] = value

    def _ask(self, sql: bytes | str, parameters: Mapping[str, str] | None = None) -> Any:
        try:
            return self._connection.query(sql, "TabSeparated", params=dict(parameters or {}))
        except ChdbError as error:
            raise _RefusedError(str(error)) from None


async def _serve(folder: Path, port: int, password: str) -> None:
    front = _Front(folder, password)
    app = web.Application(client_max_size=2**28)
    app.add_routes([web.get("/ping", front.ping), web.post("/__fault", front.fault)])
    app.add_routes([web.route("*", "/", front.statement)])
    runner = web.AppRunner(app, max_line_size=2**20)  # as the server has it
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", dest="folder", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--password", default="")
    asyncio.run(_serve(**vars(parser.parse_args())))
