"""A receiver with Django: WEBHOOK_SECRETS=whsec_… PORT=8000 python django_app.py"""

import json
import os
from typing import Any
from wsgiref.simple_server import make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from proof import is_new, proven


@csrf_exempt  # the signature says who it is
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    if not proven(request.headers, request.body):
        return HttpResponse(status=401)
    if is_new(request.headers["webhook-id"]):
        work(json.loads(request.body))
    return HttpResponse(status=204)


def work(event: dict[str, Any]) -> None:
    """Hand what takes long to a queue: the bridge waits for the answer."""
    print(f"{event['type']} {event['data']['task_id']}", flush=True)


urlpatterns = [path("webhook", receive)]

if __name__ == "__main__":
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"])
    with make_server(
        "127.0.0.1", int(os.environ["PORT"]), get_wsgi_application()
    ) as server:
        print("listening", flush=True)
        server.serve_forever()
