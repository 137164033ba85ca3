"""Graphs as people write them, each a function of a library that gives plain data.

They cover LangGraph's graph API and its functional API. Left out, since they are how LangGraph works
inside or run on its platform: channels and `Pregel` built by hand, `NodeBuilder`, `RemoteGraph`,
checkpointers written for it, its tracing, its event streams for clients (`astream_events`), its UI
messages.
"""
