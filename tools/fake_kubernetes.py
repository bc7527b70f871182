"""A stand-in for the interface of Kubernetes on loopback: `python tools/fake_kubernetes.py PORT FOLDER BIN`.

It takes the secrets and jobs that Snakemake's plug-in makes, and refuses, as Kubernetes does, a GPU that is requested
without a limit. Each job's command runs in an empty folder of its own below FOLDER, with BIN in front of the PATH in
place of the image, and nothing of this process's environment but `SNN_IMAGE_ROOT`; two jobs at a time. What was
submitted is in FOLDER/jobs.jsonl, what a job said in FOLDER/<job>.log.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

AT_A_TIME = 2


class Cluster:
    """The jobs and secrets that were accepted."""

    def __init__(self, folder: Path, binaries: str):
        self.folder, self.binaries = folder, binaries
        self.jobs: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, dict[str, str]] = {}
        self.free = threading.Semaphore(AT_A_TIME)

    def submit(self, job: dict[str, Any]) -> str:
        """Run an accepted job in the background; the reason where it is refused."""
        with open(self.folder / "jobs.jsonl", "a", encoding="utf-8") as f:
            f.write(json.dumps(job) + "\n")
        name, (container,) = job["metadata"]["name"], job["spec"]["template"]["spec"]["containers"]
        if fault := invalid(container["resources"]):
            return f'Job.batch "{name}" is invalid: {fault}'
        self.jobs[name] = {**job, "status": {}}
        threading.Thread(target=self._run, args=(name, container), daemon=True).start()
        return ""

    def _run(self, name: str, container: dict[str, Any]) -> None:
        environment = {"PATH": f"{self.binaries}:/usr/bin:/bin", "LANG": "C.UTF-8"}
        if "SNN_IMAGE_ROOT" in os.environ:
            environment["SNN_IMAGE_ROOT"] = os.environ["SNN_IMAGE_ROOT"]
        for variable in container.get("env") or []:
            reference = variable["valueFrom"]["secretKeyRef"]
            environment[variable["name"]] = self.secrets[reference["name"]][reference["key"]]
        pod = self.folder / name
        pod.mkdir()
        environment["HOME"] = str(pod)
        with self.free, open(self.folder / f"{name}.log", "wb") as log:
            command = [*container["command"], *container["args"]]
            done = subprocess.run(command, cwd=pod, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
        self.jobs[name]["status"] = {"succeeded": 1} if done.returncode == 0 else {"failed": 1}


def invalid(resources: dict[str, Any]) -> str:
    """What Kubernetes has against these resources of a container."""
    requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
    unlimited = [name for name in requests if "/" in name and name not in limits]
    return "; ".join(
        f"spec.template.spec.containers[0].resources.limits[{name}]: Required value: "
        "Limit must be set for non overcommitable resources"
        for name in unlimited
    )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, value: dict[str, Any], code: int = 200) -> None:
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> dict[str, Any]:
        return dict(json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"))

    def do_POST(self) -> None:
        body = self.body()
        if "/secrets" in self.path:
            data = {key: base64.b64decode(value).decode() for key, value in (body.get("data") or {}).items()}
            self.cluster.secrets[body["metadata"]["name"]] = data
            self.answer(body, 201)
        elif "/jobs" in self.path:
            reason = self.cluster.submit(body)
            self.answer(failure(422, reason), 422) if reason else self.answer(body, 201)
        else:
            self.answer(failure(404, self.path), 404)

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if "/jobs/" in path:
            job = self.cluster.jobs.get(path.split("/jobs/")[1].split("/")[0])
            self.answer(job) if job else self.answer(failure(404, path), 404)
        elif path.endswith("/pods"):
            self.answer({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []})
        else:
            self.answer(failure(404, path), 404)

    def do_DELETE(self) -> None:
        self.body()
        self.answer({"kind": "Status", "status": "Success"})


def failure(code: int, message: str) -> dict[str, Any]:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}


if __name__ == "__main__":
    Handler.cluster = Cluster(Path(sys.argv[2]), sys.argv[3])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
