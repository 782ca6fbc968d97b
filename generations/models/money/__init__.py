"""Money: prices, limits, periods and the ledger that explains every cent."""

from .budget_warning import BudgetWarning
from .checked_ledger import CheckedLedger
from .comparison import ComparedDay, Comparison, WatchedTask
from .gateway_log import GatewayLine, GatewayLog
from .ledger import Allowance, LimitReached, Quote
from .ledger_entry import LedgerEntry
from .limit import Limit, Window
from .limit_request import LimitRequest
from .period import Period
from .price import Price, PriceTable
from .refused_kind import RefusedKind
from .reused_image import ReusedImage
from .usage_day import UsageDay, UsageSum

__all__ = [
    "Allowance",
    "BudgetWarning",
    "CheckedLedger",
    "ComparedDay",
    "Comparison",
    "GatewayLine",
    "GatewayLog",
    "LedgerEntry",
    "Limit",
    "LimitReached",
    "LimitRequest",
    "Period",
    "Price",
    "PriceTable",
    "Quote",
    "RefusedKind",
    "ReusedImage",
    "UsageDay",
    "UsageSum",
    "WatchedTask",
    "Window",
]
