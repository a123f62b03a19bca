"""The raw design: claim, send, conclude with the same rows and the same fsync, and nothing of ours in between.

Prepared statements, no objects, no classifying of accidents, no masking: what this reaches on a machine is what the console could reach if its Python
cost nothing. Not a way to move money.
"""

import argparse
import asyncio
import json
import re
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from bench.stage import BILLER
from core import db

# One statement each, so that each is one journey and one commit.
CLAIM = """
    WITH due AS (
        SELECT id FROM transactions
        WHERE biller_type = %s AND next_action_at <= now() AND stage = 'QUEUED' AND expires_at > now()
        ORDER BY next_action_at LIMIT %s FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE transactions AS t SET stage = 'PAY_SENDING', status = 'PROCESSING', version = t.version + 1,
            lease_owner = 'raw', lease_epoch = t.lease_epoch + 1,
            lease_until = clock_timestamp() + interval '40 s', next_action_at = clock_timestamp() + interval '40 s', processed_at = clock_timestamp(),
            updated_at = clock_timestamp()
        FROM due WHERE t.id = due.id
        RETURNING t.id, t.version, t.lease_epoch, t.our_transaction_id, t.account_number, t.amount::text, t.config_version
    ), told AS (
        INSERT INTO events (transaction_id, version, from_stage, to_stage, actor_name, reason)
        SELECT id, version, 'QUEUED', 'PAY_SENDING', 'raw', 'Sending' FROM claimed
    ), sent AS (
        UPDATE legs SET sends = legs.sends + 1, last_sent_at = clock_timestamp(), last_deadline_ms = 30000
        FROM claimed WHERE legs.transaction_id = claimed.id AND legs.kind = 'PAY'
    ), intents AS (
        INSERT INTO attempts (id, transaction_id, leg, verb, reference, config_version, lease_epoch, worker)
        SELECT uuidv7(), id, 'PAY', 'pay', our_transaction_id, config_version, lease_epoch, 'raw' FROM claimed
    )
    SELECT id, version, lease_epoch, our_transaction_id, account_number, amount FROM claimed
    """

CONCLUDE = """
    WITH asked AS (
        SELECT * FROM jsonb_to_recordset(%s) AS a (id uuid, version integer, epoch bigint, external_id text, request text, response text)
    ), done AS (
        UPDATE transactions AS t SET stage = 'COMPLETED', status = 'COMPLETED', version = t.version + 1, lease_owner = NULL, lease_until = NULL,
            next_action_at = NULL, external_transaction_id = asked.external_id, completed_at = clock_timestamp(), updated_at = clock_timestamp()
        FROM asked WHERE t.id = asked.id AND t.version = asked.version AND t.lease_epoch = asked.epoch AND t.stage = 'PAY_SENDING'
        RETURNING t.id, t.version, asked.external_id, asked.request, asked.response
    ), told AS (
        INSERT INTO events (transaction_id, version, from_stage, to_stage, actor_name, reason)
        SELECT id, version, 'PAY_SENDING', 'COMPLETED', 'raw', 'Confirmed' FROM done
    ), settled AS (
        UPDATE legs SET external_id = done.external_id FROM done WHERE legs.transaction_id = done.id AND legs.kind = 'PAY'
    )
    INSERT INTO answers (id, attempt_id, transaction_id, outcome, http_status, code, external_id, request, response)
    SELECT uuidv7(), id, id, 'CONFIRMED', 200, 'SUCCESS', external_id, request, response FROM done
    """

BODY = (
    "<?xml version='1.0' encoding='utf-8'?>\n"
    '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><PostTransaction xmlns="http://billers.mw/lwb">'
    "<OurTransactionId>{}</OurTransactionId><AccountNumber>{}</AccountNumber><Amount>{}</Amount><Currency>MWK</Currency>"
    "<CustomerName>Grace Banda</CustomerName></PostTransaction></soap:Body></soap:Envelope>"
)
HEAD = "POST /lwb/soap HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n"
EXTERNAL = re.compile(rb"<TransactionId>([^<]+)</TransactionId>")

Concluded = dict[str, object]


class Call(asyncio.Protocol):
    """One payment's connection: says its request, and hears until the other side hangs up."""

    def __init__(self, request: bytes, heard: asyncio.Future[bytes]) -> None:
        self._request = request
        self._heard = heard
        self._answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._answer += data

    def connection_lost(self, error: Exception | None) -> None:
        if not self._heard.done():
            self._heard.set_result(self._answer)


async def pay(port: int, row: TupleRow, concluded: asyncio.Queue[Concluded]) -> None:
    transaction_id, version, epoch, reference, account, amount = row
    body = BODY.format(reference, account, amount)
    loop = asyncio.get_running_loop()
    heard: asyncio.Future[bytes] = loop.create_future()
    await loop.create_connection(lambda: Call((HEAD.format(len(body)) + body).encode(), heard), "127.0.0.1", port)
    answer = await heard
    said = EXTERNAL.search(answer)
    if said is None or reference.encode() not in answer:
        raise SystemExit("The biller of the bench did not confirm.")
    concluded.put_nowait(
        {
            "id": str(transaction_id),
            "version": version,
            "epoch": epoch,
            "external_id": said[1].decode(),
            "request": body,
            "response": answer.partition(b"\r\n\r\n")[2].decode(),
        }
    )


async def claim_for_ever(port: int, in_flight: int, concluded: asyncio.Queue[Concluded], out: set[UUID]) -> None:
    connection = await _connect()
    calls: set[asyncio.Task[None]] = set()
    while True:
        rows: list[TupleRow] = []
        if in_flight > len(out):
            rows = await (await connection.execute(CLAIM, (BILLER, in_flight - len(out)), prepare=True)).fetchall()
        for row in rows:
            out.add(row[0])
            call = asyncio.create_task(pay(port, row, concluded))
            calls.add(call)
            call.add_done_callback(calls.discard)
        await asyncio.sleep(0.005 if rows else 0.02)


async def run(port: int, count: int, in_flight: int) -> None:
    """Pays until `count` payments are concluded."""
    concluded: asyncio.Queue[Concluded] = asyncio.Queue()
    out: set[UUID] = set()
    claiming = asyncio.create_task(claim_for_ever(port, in_flight, concluded, out))
    connection = await _connect()
    done = 0
    print("ready", flush=True)
    while done < count:
        batch = [await concluded.get()]
        while not concluded.empty():
            batch.append(concluded.get_nowait())
        await connection.execute(CONCLUDE, (json.dumps(batch),), prepare=True)
        done += len(batch)
        out.difference_update(UUID(str(one["id"])) for one in batch)
        if claiming.done():
            claiming.result()
    claiming.cancel()


async def _connect() -> psycopg.AsyncConnection:
    dsn = db.engine().url.set(drivername="postgresql").render_as_string(hide_password=False)
    return await psycopg.AsyncConnection.connect(dsn, autocommit=True)


if __name__ == "__main__":
    told = argparse.ArgumentParser()
    told.add_argument("--port", type=int, required=True)
    told.add_argument("--count", type=int, required=True)
    told.add_argument("--in-flight", type=int, required=True)
    asyncio.run(run(**vars(told.parse_args())))
