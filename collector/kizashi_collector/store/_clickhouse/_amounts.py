"""What events are worth, in SQL: the formulae of `analysis.Worth`, to the micro."""

from __future__ import annotations

from msgspec import Struct

from kizashi_collector.store._clickhouse._sql import Parameters, View
from kizashi_schemas import MICROS
from kizashi_schemas.plan import Plan

__all__ = ["Amounts"]

_NOTHING = "toInt128(0)"
_UNKNOWN = "CAST(NULL, 'Nullable(Int128)')"


class Amounts(Struct, frozen=True):
    """Expressions over the rows of a view, as they stand at one as_of; money is Nullable(Int128), micros of the plan's
    currency, NULL where no rate leads there.

    `join` follows the table in a query that uses any of the others. `sent` is what the event carried, `declared` and
    `final` what analysis.Worth says under the same names: NULL without a plan. `retracted` is a truth value. `columns`
    are those of the table that they read.
    """

    join: str
    sent: str
    declared: str
    final: str
    retracted: str
    columns: tuple[str, ...] = ("name", "value", "currency", "order_key")

    @classmethod
    def of(cls, plan: Plan | None, view: View, as_of: int, parameters: Parameters, *, adjusted: bool) -> Amounts:
        """The expressions under a plan. `adjusted` tells whether the view has any adjustment at all."""
        sent = _in_plan_currency(plan, "value", "currency", parameters)
        retracted = "adjusted.retracted" if adjusted else "0"
        join = _adjustments(view, as_of, parameters) if adjusted else ""
        if plan is None:
            return cls(join, sent, _UNKNOWN, _UNKNOWN, retracted)
        restated = _restated(plan, parameters) if adjusted else ""
        carried = f"if({_is_restated()}, {restated}, {sent})" if adjusted else sent
        worth = {
            name: carried if rule.value == "event" else f"toInt128({int(rule.value)})"
            for name, rule in plan.events.items()
            if rule.value is not None
        }
        finals = {name: amount for name, amount in worth.items() if plan.events[name].final}
        return cls(
            join,
            sent,
            _by_name(worth, retracted, parameters),
            _by_name(finals, retracted, parameters),
            retracted,
        )


def _by_name(worth: dict[str, str], retracted: str, parameters: Parameters) -> str:
    """The amount of each name, nothing for others and for what was taken back."""
    names: dict[str, list[str]] = {}
    for name, amount in worth.items():
        names.setdefault(amount, []).append(name)
    if not names:
        return f"toNullable({_NOTHING})"
    cases = [f"name IN {parameters.add(of, 'Array(String)')}, {amount}" for amount, of in names.items()]
    return f"multiIf({', '.join([f'{retracted}, {_NOTHING}', *cases, _NOTHING])})"


def _in_plan_currency(plan: Plan | None, value: str, currency: str, parameters: Parameters) -> str:
    """The amount of a value in micros, where below 0 stands for none, in a currency, where '' stands for none."""
    plain = f"toInt128({value})"
    if plan is None:
        return f"toNullable(if({value} < 0, {_NOTHING}, {plain}))"
    cases = [f"{value} < 0", _NOTHING, f"{currency} = ''", plain]
    for code in dict.fromkeys((plan.currency, *plan.rates)):
        rate = plan.rate(code)
        if rate is not None:
            cases += [f"{currency} = {parameters.add(code, 'String')}", _converted(plain, rate)]
    return f"multiIf({', '.join(cases)}, {_UNKNOWN})"


def _converted(amount: str, rate: int) -> str:
    """As kizashi_schemas.to_currency: rounded half to even."""
    if rate == MICROS:
        return amount
    product = f"{amount} * toInt128('{rate}')"
    whole, rest = f"intDiv({product}, {MICROS})", f"(({product}) % {MICROS})"
    return f"({whole} + toInt128(2 * {rest} > {MICROS} OR (2 * {rest} = {MICROS} AND {whole} % 2 = 1)))"


def _is_restated() -> str:
    return "if(value < 0, notEmpty(adjusted.by_currency), mapContains(adjusted.by_currency, currency))"


def _restated(plan: Plan, parameters: Parameters) -> str:
    """What the last restatement says: the last in the event's currency, or of all where it carried none."""
    own = _in_plan_currency(plan, "adjusted.by_currency[currency]", "currency", parameters)
    last = _in_plan_currency(plan, "adjusted.last.1", "adjusted.last.2", parameters)
    return f"if(value < 0, {last}, {own})"


def _adjustments(view: View, as_of: int, parameters: Parameters) -> str:
    """Joins each event with what is known of adjustments of it at as_of."""
    until = parameters.add(as_of, "Int64")
    return f"""
        GLOBAL ANY LEFT JOIN (
            SELECT order_key AS adjusted_key,
                max(taken_back) AS retracted,
                argMaxIf((restated, in_currency), latest, latest.2 != '') AS last,
                CAST((groupArrayIf(in_currency, latest.2 != ''), groupArrayIf(restated, latest.2 != '')),
                    'Map(String, Int64)') AS by_currency
            FROM (
                SELECT order_key, toString(currency) AS in_currency,
                    max(adjust = 2) AS taken_back,
                    argMaxIf(value, (time, id), adjust = 1) AS restated,
                    maxIf((time, id), adjust = 1) AS latest
                FROM {view.table}
                WHERE {view.where} AND adjust != 0 AND time <= {until}
                GROUP BY order_key, in_currency
            )
            GROUP BY order_key
        ) AS adjusted ON order_key = adjusted.adjusted_key"""
