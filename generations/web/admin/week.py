"""Images of the last seven days, who made them, and which were recovered. From the counters."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db.models import Exists, F, OuterRef
from django.utils.formats import date_format
from django.utils.translation import ngettext

from generations.models import Member, Recovered, Team
from generations.models.money import Period, Window
from generations.models.money.period import boundaries
from generations.web.money.formats import format_money

DAYS = 7
HEIGHT = 100  # units of the SVG


@dataclass(frozen=True)
class Bar:
    day: date
    images: int
    height: int  # of `HEIGHT`
    is_today: bool
    is_greatest: bool

    @property
    def y(self) -> int:
        return HEIGHT - self.height

    @property
    def label(self) -> str:
        return date_format(self.day, "D")


@dataclass(frozen=True)
class Week:
    bars: list[Bar]
    images: int
    people: int
    people_today: int

    @property
    def facts(self) -> str:
        """Return "1,208 by 14 people"."""
        text = ngettext("%(images)s by %(n)d person", "%(images)s by %(n)d people", self.people)
        return text % {"images": f"{self.images:,}", "n": self.people}


def week(now: datetime) -> Week:
    """The images that were charged in each of the last seven local days."""
    zone = Team.objects.current().zone
    today, _end = boundaries(Window.DAY, now, zone)
    days = [(today - timedelta(days=DAYS - 1 - number)).date() for number in range(DAYS)]
    since = today - timedelta(days=DAYS - 1, hours=2)  # a day with 25 hours begins earlier
    images = dict.fromkeys(days, 0)
    rows = Period.objects.filter(
        upstream=settings.UPSTREAM_MODE, member=None, window=Window.DAY, starts_at__gte=since
    )
    for starts_at, count in rows.values_list("starts_at", "charged_images"):
        day = starts_at.astimezone(zone).date()
        if day in images:
            images[day] += count
    greatest = max(images.values())
    bars = [
        Bar(
            day,
            count,
            count * HEIGHT // greatest if greatest else 0,
            is_today=day == today.date(),
            is_greatest=0 < count == greatest,
        )
        for day, count in images.items()
    ]
    return Week(bars, sum(images.values()), _people_since(since), _people_since(today))


def _people_since(start: datetime) -> int:
    """How many people have requested images since then: a look into an index for each person."""
    days = Period.objects.filter(
        upstream=settings.UPSTREAM_MODE,
        member=OuterRef("pk"),
        window=Window.DAY,
        starts_at__gte=start,
    )
    requested = days.alias(images=F("charged_images") + F("reserved_images")).filter(images__gt=0)
    return Member.objects.filter(Exists(requested)).count()


def recovered_text(now: datetime) -> str:
    """Return "3 images were recovered after a late or lost answer this month, worth $0.36."

    "" if there were none.
    """
    start, _end = boundaries(Window.MONTH, now, Team.objects.current().zone)
    images, amount_e4 = Recovered.objects.since(start)
    if not images:
        return ""
    text = ngettext(
        "%(n)d image was recovered after a late or lost answer this month, worth %(amount)s.",
        "%(n)d images were recovered after a late or lost answer this month, worth %(amount)s.",
        images,
    )
    return text % {"n": images, "amount": format_money(amount_e4)}
