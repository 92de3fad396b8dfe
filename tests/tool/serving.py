"""Shared by the tests of `arca serve`: one that runs, asking it, and a real scraper's parser."""
import contextlib
import http.client
import subprocess

from tool import BUILD, check, free_port, skip

try:
    from prometheus_client.openmetrics.parser import text_string_to_metric_families
except ImportError:
    skip("prometheus_client is not installed: apt-get install python3-prometheus-client")


@contextlib.contextmanager
def serving():
    port = free_port()
    child = subprocess.Popen([BUILD / "arca", "serve", "--listen", f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True)
    try:
        check(child.stdout.readline() == f"http://127.0.0.1:{port}/metrics\n", "it does not say where it is")
        yield port
        check(child.poll() is None, f"it ended: {child.returncode}")
    finally:
        child.kill()
        child.wait()


def ask(port, method="GET", path="/metrics", timeout=30):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer, answer.read().decode()


def families(text):
    return list(text_string_to_metric_families(text))


def values(text, name):
    return {sample.labels["pid"]: sample.value for family in families(text) for sample in family.samples if sample.name == name}
