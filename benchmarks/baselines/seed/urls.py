"""The tutorial's routes."""

from django.contrib import admin
from django.urls import path

from benchmarks.baselines.seed import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("dd_robot/", views.resp_dd, name="resp_dd"),
]
