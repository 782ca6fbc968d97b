"""Kinds without a price, in the words of people and as a form that is filled in."""

from django import template

from generations.web.admin.decisions import kind_label, price_query

register = template.Library()
register.filter("kind_label", kind_label)
register.filter("price_query", price_query)
