"""The site's pages."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.static import serve


@login_required
def home(request: HttpRequest) -> HttpResponse:
    page = render(request, "chat.html")
    page["Content-Security-Policy"] = "default-src 'self'"
    return page


@login_required
def converse(request: HttpRequest) -> HttpResponse:
    return render(request, "converse.html")


urlpatterns = [
    path("", home, name="home"),
    path("converse", converse),
    path("sign-in", LoginView.as_view(), name="login"),
    path("sign-out", LogoutView.as_view(), name="logout"),
    path("pages/<path:path>", serve, {"document_root": settings.BASE_DIR / "pages"}),
    path("converse.js/<path:path>", serve, {"document_root": settings.CONVERSE}),
]
