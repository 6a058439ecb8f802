#!/usr/bin/env python3
"""A plugin that the engine starts as it starts any provider; what it is asked, it asks the provider that a test plays.

`make test` copies this file to where the engine looks for plugins, so that it imports nothing of this project.
"""

import os
from concurrent import futures
from typing import Any

import grpc


class Relay(grpc.GenericRpcHandler):
    """Hands on every call as it is."""

    def __init__(self, channel: grpc.Channel) -> None:
        """Take the way to the played provider."""
        self.channel = channel

    def service(self, handler_call_details: Any) -> Any:
        """Answer a call of whatever name."""
        ask = self.channel.unary_unary(handler_call_details.method)

        def handed_on(request: bytes, context: grpc.ServicerContext) -> Any:
            try:
                return ask(request)
            except grpc.RpcError as error:
                context.abort(error.code(), error.details() or "")  # pyright: ignore[reportAttributeAccessIssue]

        return grpc.unary_unary_rpc_method_handler(handed_on)


if __name__ == "__main__":
    server = grpc.server(futures.ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers([Relay(grpc.insecure_channel(os.environ["PLAYED_PROVIDER"]))])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    server.wait_for_termination()
