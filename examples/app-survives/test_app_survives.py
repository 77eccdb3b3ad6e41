"""My app answers all along while the leading Mesos master is killed."""

from urllib.request import urlopen

from provisioner_lab.under_test import eventually

APP = {"id": "/hello", "cpus": 0.1, "mem": 32, "cmd": "echo alive > index.html && exec python3 -m http.server $PORT0"}


def test_my_app_survives_the_loss_of_the_mesos_leader(cluster):
    cluster.marathon.ask("PUT", "/v2/apps/hello", APP)
    eventually("my app runs", 120, lambda: cluster.marathon.ask("GET", "/v2/apps/hello")["app"]["tasksRunning"] == 1)
    task = cluster.marathon.ask("GET", "/v2/apps/hello/tasks")["tasks"][0]
    url = f"http://{cluster.host(task['host']).address}:{task['ports'][0]}/"
    eventually("it answers", 30, lambda: answers(url))
    leader = cluster.leader("mesos")
    with cluster.kill(leader, "mesos"):
        while cluster.leader("mesos") == leader:
            assert answers(url)
        assert answers(url)
    cluster.marathon.ask("DELETE", "/v2/apps/hello")


def answers(url):
    try:
        return urlopen(url, timeout=5).read() == b"alive\n"
    except OSError:
        return False
