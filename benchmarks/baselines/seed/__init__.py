"""The tutorial's Django project, as `django-admin startproject` and its text make it."""
