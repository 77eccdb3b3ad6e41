"""Field numbers of the messages of Apache Mesos 1.11 that the v0 executor reads or writes: the parts that it uses."""

from __future__ import annotations

from .wire import Enum, Field, Message


def _numbered(*names: str) -> Enum:
    return Enum({name: number for number, name in enumerate(names) if name})


def _id() -> Message:
    return Message({1: Field("value", "string")})


STATE = _numbered("TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_LOST", "TASK_STAGING", "TASK_ERROR",
                  "TASK_KILLING")
SOURCE = _numbered("SOURCE_MASTER", "SOURCE_SLAVE", "SOURCE_EXECUTOR")
REASON = Enum({"REASON_TASK_CHECK_STATUS_UPDATED": 28, "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED": 29,
               "REASON_MAX_COMPLETION_TIME_REACHED": 33})
CHECK_TYPE = _numbered("UNKNOWN", "COMMAND", "HTTP", "TCP")
PROTOCOL = _numbered("", "IPv4", "IPv6")
CAPABILITY = _numbered("UNKNOWN", "REVOCABLE_RESOURCES", "TASK_KILLING_STATE", "GPU_RESOURCES", "SHARED_RESOURCES", "PARTITION_AWARE",
                       "MULTI_ROLE", "RESERVATION_REFINEMENT", "REGION_AWARE")

DURATION = Message({1: Field("nanoseconds", "int")})
KILL_POLICY = Message({1: Field("grace_period", DURATION)})
PARAMETER = Message({1: Field("key", "string"), 2: Field("value", "string")})
LABELS = Message({1: Field("labels", PARAMETER, many=True)})
PORT_MAPPING = Message({1: Field("host_port", "int"), 2: Field("container_port", "int"), 3: Field("protocol", "string")})

ENVIRONMENT = Message({1: Field("variables", Message({
    1: Field("name", "string"), 2: Field("value", "string"), 3: Field("type", _numbered("UNKNOWN", "VALUE", "SECRET"))}), many=True)})
COMMAND = Message({2: Field("environment", ENVIRONMENT), 3: Field("value", "string"), 5: Field("user", "string"), 6: Field("shell", "bool"),
                   7: Field("arguments", "string", many=True)})

SCALAR = Message({1: Field("value", "double")})
RANGES = Message({1: Field("range", Message({1: Field("begin", "int"), 2: Field("end", "int")}), many=True)})
RESOURCE = Message({1: Field("name", "string"), 2: Field("type", _numbered("SCALAR", "RANGES", "SET", "TEXT")), 3: Field("scalar", SCALAR),
                    4: Field("ranges", RANGES), 11: Field("allocation_info", Message({1: Field("role", "string")}))})

NETWORK_INFO = Message({
    3: Field("groups", "string", many=True), 4: Field("labels", LABELS),
    5: Field("ip_addresses", Message({1: Field("protocol", PROTOCOL), 2: Field("ip_address", "string")}), many=True),
    6: Field("name", "string"), 7: Field("port_mappings", PORT_MAPPING, many=True)})
VOLUME_SOURCE = Message({
    1: Field("type", _numbered("UNKNOWN", "DOCKER_VOLUME", "SANDBOX_PATH", "SECRET", "HOST_PATH", "CSI_VOLUME")),
    2: Field("docker_volume", Message({1: Field("driver", "string"), 2: Field("name", "string")}))})
VOLUME = Message({1: Field("container_path", "string"), 2: Field("host_path", "string"), 3: Field("mode", _numbered("", "RW", "RO")),
                  5: Field("source", VOLUME_SOURCE)})
DOCKER = Message({
    1: Field("image", "string"), 2: Field("network", _numbered("", "HOST", "BRIDGE", "NONE", "USER")),
    3: Field("port_mappings", PORT_MAPPING, many=True), 4: Field("privileged", "bool"), 5: Field("parameters", PARAMETER, many=True),
    6: Field("force_pull_image", "bool"), 7: Field("volume_driver", "string")})
CONTAINER = Message({
    1: Field("type", _numbered("", "DOCKER", "MESOS")), 2: Field("volumes", VOLUME, many=True), 3: Field("docker", DOCKER),
    4: Field("hostname", "string"), 7: Field("network_infos", NETWORK_INFO, many=True)})

HEALTH_CHECK = Message({
    1: Field("http", Message({1: Field("port", "int"), 2: Field("path", "string"), 3: Field("scheme", "string"),
                              5: Field("protocol", PROTOCOL)})),
    2: Field("delay_seconds", "double"), 3: Field("interval_seconds", "double"), 4: Field("timeout_seconds", "double"),
    5: Field("consecutive_failures", "int"), 6: Field("grace_period_seconds", "double"), 7: Field("command", COMMAND),
    8: Field("type", CHECK_TYPE), 9: Field("tcp", Message({1: Field("port", "int"), 2: Field("protocol", PROTOCOL)}))})

TASK = Message({
    1: Field("name", "string"), 2: Field("task_id", _id()), 4: Field("resources", RESOURCE, many=True), 7: Field("command", COMMAND),
    8: Field("health_check", HEALTH_CHECK), 9: Field("container", CONTAINER), 12: Field("kill_policy", KILL_POLICY),
    13: Field("check", Message({1: Field("type", CHECK_TYPE)})), 14: Field("max_completion_time", DURATION),
    15: Field("limits", Message({1: Field("key", "string"), 2: Field("value", SCALAR)}), mapped=True)})

STATUS = Message({
    1: Field("task_id", _id()), 2: Field("state", STATE), 3: Field("data", "bytes"), 4: Field("message", "string"),
    5: Field("slave_id", _id()), 6: Field("timestamp", "double"), 7: Field("executor_id", _id()), 8: Field("healthy", "bool"),
    9: Field("source", SOURCE), 10: Field("reason", REASON), 11: Field("uuid", "bytes"),
    13: Field("container_status", Message({1: Field("network_infos", NETWORK_INFO, many=True)}))})
UPDATE = Message({1: Field("framework_id", _id()), 2: Field("executor_id", _id()), 3: Field("slave_id", _id()), 4: Field("status", STATUS),
                  5: Field("timestamp", "double"), 6: Field("uuid", "bytes")})
FRAMEWORK = Message({10: Field("capabilities", Message({1: Field("type", CAPABILITY)}), many=True)})

#: From the agent, by the name of the message.
RECEIVED = {
    "ExecutorRegisteredMessage": Message({4: Field("framework_info", FRAMEWORK)}),
    "ExecutorReregisteredMessage": Message(),
    "ReconnectExecutorMessage": Message({1: Field("slave_id", _id())}),
    "RunTaskMessage": Message({2: Field("framework", FRAMEWORK), 4: Field("task", TASK)}),
    "KillTaskMessage": Message({2: Field("task_id", _id()), 3: Field("kill_policy", KILL_POLICY)}),
    "ShutdownExecutorMessage": Message(),
    "StatusUpdateAcknowledgementMessage": Message({3: Field("task_id", _id()), 4: Field("uuid", "bytes")}),
}

#: To the agent.
SENT = {
    "RegisterExecutorMessage": Message({1: Field("framework_id", _id()), 2: Field("executor_id", _id())}),
    # The task goes back as it came, with the fields that are not known here.
    "ReregisterExecutorMessage": Message({1: Field("executor_id", _id()), 2: Field("framework_id", _id()),
                                          3: Field("tasks", "bytes", many=True), 4: Field("updates", UPDATE, many=True)}),
    "StatusUpdateMessage": Message({1: Field("update", UPDATE), 2: Field("pid", "string")}),
}
