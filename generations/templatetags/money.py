"""Amounts of money in templates."""

from django import template

from generations.web.money.formats import format_money, format_signed_money, format_sum
from generations.web.money.notices import granted_text, request_text, until_text

register = template.Library()
register.filter("money", format_money)
register.filter("sum", format_sum)
register.filter("signed_money", format_signed_money)
register.filter("request_text", request_text)
register.filter("granted_text", granted_text)
register.filter("until_text", until_text)
