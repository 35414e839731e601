"""AWS on this machine, one process: ministack's services, functions under AWS's own runtime client.

It runs as `python -m local_aws` in an environment that has ministack and not FaaSBridge, so it imports nothing of the
latter. What it changes in ministack, and why, is said where it does so:

    pool        functions run in sandboxes, one invocation at a time each
    sandboxes   a process of AWS's runtime client: environment, unpacking and runtime_api are what it finds there
    inboxes     messages of queues reach functions, and failed ones come again
    sources     streams reach queues through Pipes; objects' events and schedules carry what AWS's do
    fronts      each HTTP API at the root of a port of its own
    emptying    everything emptied, nothing of before arrives
    waiting     what is in flight
    control     the API that the simulator's owner talks to
"""
