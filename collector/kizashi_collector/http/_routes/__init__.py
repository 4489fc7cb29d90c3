"""What each path of the API answers, and how large answers are written."""

from kizashi_collector.http._routes._erase import erase_actor
from kizashi_collector.http._routes._events import list_events, post_events
from kizashi_collector.http._routes._funnels import get_funnel, list_funnels, post_funnel
from kizashi_collector.http._routes._increments import get_increments
from kizashi_collector.http._routes._live import get_live
from kizashi_collector.http._routes._operations import get_health, get_metrics, get_openapi, get_ready
from kizashi_collector.http._routes._plan import get_plan, post_plan
from kizashi_collector.http._routes._rejected import list_rejected, replay_rejected
from kizashi_collector.http._routes._summary import get_summary
from kizashi_collector.http._routes._values import get_values

__all__ = [
    "erase_actor",
    "get_funnel",
    "get_health",
    "get_increments",
    "get_live",
    "get_metrics",
    "get_openapi",
    "get_plan",
    "get_ready",
    "get_summary",
    "get_values",
    "list_events",
    "list_funnels",
    "list_rejected",
    "post_events",
    "post_funnel",
    "post_plan",
    "replay_rejected",
]
