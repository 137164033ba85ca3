"""Every error that inwit raises, under one base.

::

    InwitError
    ├── GraphError                 what is written
    │   ├── InvalidGraphError      all faults of a graph at once
    │   ├── UnknownNodeError
    │   ├── UnknownGraphError
    │   ├── UnknownSubgraphError
    │   ├── DuplicateNodeError
    │   ├── UnreachableNodeError
    │   ├── UnshowableSchemaError
    │   ├── NothingToUndoError
    │   ├── MissingRouteError
    │   ├── NoEntryError
    │   ├── NoPathToEndError
    │   ├── NotWatchableError
    │   ├── ToolDefinitionError
    │   ├── ModelDefinitionError
    │   ├── AgentDefinitionError
    │   ├── MissingPackageError
    │   ├── InvalidEdgeError
    │   ├── InvalidSchemaError
    │   ├── InvalidCheckpointerError
    │   └── InvalidNameError
    │       └── MissingFunctionError
    ├── ExecutionError             what happens while running
    │   ├── InvalidUpdateError
    │   │   ├── InvalidStateError
    │   │   │   ├── EmptyInputError
    │   │   │   └── IncompleteStateError
    │   │   ├── InvalidRouteError
    │   │   │   └── UnmappedAnswerError
    │   │   ├── NoParentError
    │   │   └── UndeclaredRouteError
    │   ├── InvalidAnswerError
    │   ├── AnswerNeededError
    │   ├── ExecutionOverError
    │   ├── StaleExecutionError
    │   ├── NotControllableError
    │   ├── OpenQuestionsError
    │   ├── GraphRecursionError
    │   ├── NodeTimeoutError
    │   ├── ExecutionCancelledError
    │   ├── ExecutionTimeoutError
    │   ├── CircuitOpenError
    │   ├── EarlierError
    │   ├── NoCacheError
    │   ├── NodeCancelledError
    │   ├── OutsideNodeError
    │   ├── BudgetExceededError    its state is kept on it
    │   │   ├── StepBudgetError
    │   │   ├── DeadlineBudgetError
    │   │   ├── TokenBudgetError
    │   │   └── CostBudgetError
    │   ├── InvalidNamespaceError
    │   ├── EmbeddingError
    │   ├── UnknownExecutionError
    │   ├── UnknownCheckpointError
    │   ├── CheckpointingOffError
    │   ├── InvalidJoinError
    │   ├── InvalidMessageError
    │   ├── ChatHistoryError
    │   ├── StructuredAnswerError
    │   ├── InvalidToolInputError
    │   ├── InvalidToolResultError
    │   ├── MissingStoreError
    │   ├── UnknownToolError
    │   ├── UnreplayableError
    │   ├── ReplayedError
    │   ├── UnrecordedCallError
    │   ├── UnknownWorkerError
    │   └── ModelCallError
    │       └── ModelUnreachableError
    ├── StoreError                 the record on disk
    │   ├── StoreFullError
    │   ├── StoreLockedError
    │   ├── StoreCorruptError
    │   ├── StoreReadOnlyError
    │   ├── StoreVersionError
    │   ├── FencedError
    │   ├── ThreadTakenError
    │   ├── ThreadGapError
    │   ├── ThreadBusyError
    │   ├── StoreUnreachableError
    │   ├── MissingLibraryError
    │   ├── InvalidKeyError
    │   ├── WrongKeyError
    │   ├── StateVersionError
    │   └── UnserialisableError
    ├── RequestError               what came from outside
    │   ├── MalformedIdError
    │   ├── MalformedInputError
    │   ├── UnknownKeyError
    │   ├── InvalidLimitError
    │   ├── GraphNotHereError
    │   ├── NotConfirmedError
    │   ├── TooLargeError
    │   ├── UnknownUriError
    │   ├── ForbiddenError
    │   │   └── ScopeError
    │   ├── UnauthorizedError
    │   │   └── InvalidTokenError
    │   ├── RateLimitedError
    │   ├── UndiffableError
    │   ├── UnknownRouteError
    │   ├── MethodNotAllowedError
    │   ├── NotJsonError
    │   ├── UnknownMcpNameError
    │   └── NotInThisVersionError
    ├── HostError                  starting and running a host
    │   ├── AddressInUseError
    │   ├── NoTokenError
    │   ├── TooManyStreamsError
    │   └── InternalError
    ├── FetchError                 what other machines are asked for
    │   ├── FetchUrlError
    │   ├── FetchFailedError
    │   ├── FetchTooLargeError
    │   └── PrivateAddressError
    ├── RegistryError
    │   ├── UnknownPackageError
    │   ├── InvalidPackageError
    │   ├── ArchiveError
    │   ├── SourceError
    │   ├── ResolutionError
    │   ├── InstallError           everything is as it was
    │   │   ├── ConsentError
    │   │   └── LockError
    │   ├── SandboxError
    │   │   └── PackageCodeError
    │   ├── EncoderError
    │   ├── TrustError             where something comes from is not proved
    │   │   ├── UnsignedPackageError
    │   │   ├── BadSignatureError
    │   │   ├── TooFewSignaturesError
    │   │   ├── MetadataError
    │   │   ├── WrongRootError
    │   │   ├── LevelTooLowError
    │   │   ├── LookalikeError
    │   │   └── NamespaceError
    │   ├── PublishError
    │   │   └── AlreadyPublishedError
    │   ├── UnknownContributionError
    │   ├── RegistryRefusedError
    │   └── RegistryUnreachableError
    ├── PeerError                  between this host and others
    │   ├── UnknownPeerError
    │   ├── PeerUnreachableError
    │   ├── RefusedMessageError
    │   └── QueueFullError
    └── PlanError
        ├── UnknownPlanError
        ├── IllegalMoveError
        ├── PlanChangedError
        ├── PrincipalError
        ├── ExpiredPlanError
        └── InapplicableError

An error carries a stable ``code`` for machines, a message with the offending value, and a
``hint`` that names the way out.
"""

from __future__ import annotations

from inwit.errors.base import (
    InwitError,
    nearest,
    shorten,
)
from inwit.errors.executions import (
    AnswerNeededError,
    ChatHistoryError,
    CheckpointingOffError,
    EmptyInputError,
    ExecutionCancelledError,
    ExecutionError,
    ExecutionOverError,
    ExecutionTimeoutError,
    GraphRecursionError,
    IncompleteStateError,
    InvalidAnswerError,
    InvalidJoinError,
    InvalidMessageError,
    InvalidRouteError,
    InvalidStateError,
    InvalidToolInputError,
    InvalidToolResultError,
    InvalidUpdateError,
    MissingStoreError,
    ModelCallError,
    ModelUnreachableError,
    NodeTimeoutError,
    NoParentError,
    NotControllableError,
    OpenQuestionsError,
    ReplayedError,
    StaleExecutionError,
    StructuredAnswerError,
    UndeclaredRouteError,
    UnknownCheckpointError,
    UnknownExecutionError,
    UnknownToolError,
    UnknownWorkerError,
    UnmappedAnswerError,
    UnrecordedCallError,
    UnreplayableError,
)
from inwit.errors.fetching import (
    FetchError,
    FetchFailedError,
    FetchTooLargeError,
    FetchUrlError,
    PrivateAddressError,
)
from inwit.errors.graphs import (
    AgentDefinitionError,
    DuplicateNodeError,
    GraphError,
    InvalidCheckpointerError,
    InvalidEdgeError,
    InvalidGraphError,
    InvalidNameError,
    InvalidSchemaError,
    MissingFunctionError,
    MissingPackageError,
    MissingRouteError,
    ModelDefinitionError,
    NoEntryError,
    NoPathToEndError,
    NothingToUndoError,
    NotWatchableError,
    ToolDefinitionError,
    UnknownGraphError,
    UnknownNodeError,
    UnknownSubgraphError,
    UnreachableNodeError,
    UnshowableSchemaError,
)
from inwit.errors.memory import EmbeddingError, InvalidNamespaceError
from inwit.errors.policies import (
    BudgetExceededError,
    CircuitOpenError,
    CostBudgetError,
    DeadlineBudgetError,
    EarlierError,
    NoCacheError,
    NodeCancelledError,
    OutsideNodeError,
    StepBudgetError,
    TokenBudgetError,
)
from inwit.errors.registries import (
    ArchiveError,
    ConsentError,
    EncoderError,
    ExpiredPlanError,
    IllegalMoveError,
    InapplicableError,
    InstallError,
    InvalidPackageError,
    LockError,
    PackageCodeError,
    PlanChangedError,
    PlanError,
    PrincipalError,
    RegistryError,
    ResolutionError,
    SandboxError,
    SourceError,
    UnknownPackageError,
    UnknownPlanError,
)
from inwit.errors.requests import (
    AddressInUseError,
    ForbiddenError,
    GraphNotHereError,
    HostError,
    InternalError,
    InvalidLimitError,
    InvalidTokenError,
    MalformedIdError,
    MalformedInputError,
    MethodNotAllowedError,
    NotConfirmedError,
    NotInThisVersionError,
    NotJsonError,
    NoTokenError,
    RateLimitedError,
    RequestError,
    ScopeError,
    TooLargeError,
    TooManyStreamsError,
    UnauthorizedError,
    UndiffableError,
    UnknownKeyError,
    UnknownMcpNameError,
    UnknownRouteError,
    UnknownUriError,
)
from inwit.errors.stores import (
    FencedError,
    InvalidKeyError,
    MissingLibraryError,
    StateVersionError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreUnreachableError,
    StoreVersionError,
    ThreadBusyError,
    ThreadGapError,
    ThreadTakenError,
    UnserialisableError,
    WrongKeyError,
)
from inwit.errors.trust import (
    AlreadyPublishedError,
    BadSignatureError,
    LevelTooLowError,
    LookalikeError,
    MetadataError,
    NamespaceError,
    PeerError,
    PeerUnreachableError,
    PublishError,
    QueueFullError,
    RefusedMessageError,
    RegistryRefusedError,
    RegistryUnreachableError,
    TooFewSignaturesError,
    TrustError,
    UnknownContributionError,
    UnknownPeerError,
    UnsignedPackageError,
    WrongRootError,
)

__all__ = [
    "AddressInUseError",
    "AgentDefinitionError",
    "AlreadyPublishedError",
    "AnswerNeededError",
    "ArchiveError",
    "BadSignatureError",
    "BudgetExceededError",
    "ChatHistoryError",
    "CheckpointingOffError",
    "CircuitOpenError",
    "ConsentError",
    "CostBudgetError",
    "DeadlineBudgetError",
    "DuplicateNodeError",
    "EarlierError",
    "EmbeddingError",
    "EmptyInputError",
    "EncoderError",
    "ExecutionCancelledError",
    "ExecutionError",
    "ExecutionOverError",
    "ExecutionTimeoutError",
    "ExpiredPlanError",
    "FencedError",
    "FetchError",
    "FetchFailedError",
    "FetchTooLargeError",
    "FetchUrlError",
    "ForbiddenError",
    "GraphError",
    "GraphNotHereError",
    "GraphRecursionError",
    "HostError",
    "IllegalMoveError",
    "InapplicableError",
    "IncompleteStateError",
    "InstallError",
    "InternalError",
    "InvalidAnswerError",
    "InvalidCheckpointerError",
    "InvalidEdgeError",
    "InvalidGraphError",
    "InvalidJoinError",
    "InvalidKeyError",
    "InvalidLimitError",
    "InvalidMessageError",
    "InvalidNameError",
    "InvalidNamespaceError",
    "InvalidPackageError",
    "InvalidRouteError",
    "InvalidSchemaError",
    "InvalidStateError",
    "InvalidTokenError",
    "InvalidToolInputError",
    "InvalidToolResultError",
    "InvalidUpdateError",
    "InwitError",
    "LevelTooLowError",
    "LockError",
    "LookalikeError",
    "MalformedIdError",
    "MalformedInputError",
    "MetadataError",
    "MethodNotAllowedError",
    "MissingFunctionError",
    "MissingLibraryError",
    "MissingPackageError",
    "MissingRouteError",
    "MissingStoreError",
    "ModelCallError",
    "ModelDefinitionError",
    "ModelUnreachableError",
    "NamespaceError",
    "NoCacheError",
    "NoEntryError",
    "NoParentError",
    "NoPathToEndError",
    "NoTokenError",
    "NodeCancelledError",
    "NodeTimeoutError",
    "NotConfirmedError",
    "NotControllableError",
    "NotInThisVersionError",
    "NotJsonError",
    "NotWatchableError",
    "NothingToUndoError",
    "OpenQuestionsError",
    "OutsideNodeError",
    "PackageCodeError",
    "PeerError",
    "PeerUnreachableError",
    "PlanChangedError",
    "PlanError",
    "PrincipalError",
    "PrivateAddressError",
    "PublishError",
    "QueueFullError",
    "RateLimitedError",
    "RefusedMessageError",
    "RegistryError",
    "RegistryRefusedError",
    "RegistryUnreachableError",
    "ReplayedError",
    "RequestError",
    "ResolutionError",
    "SandboxError",
    "ScopeError",
    "SourceError",
    "StaleExecutionError",
    "StateVersionError",
    "StepBudgetError",
    "StoreCorruptError",
    "StoreError",
    "StoreFullError",
    "StoreLockedError",
    "StoreReadOnlyError",
    "StoreUnreachableError",
    "StoreVersionError",
    "StructuredAnswerError",
    "ThreadBusyError",
    "ThreadGapError",
    "ThreadTakenError",
    "TokenBudgetError",
    "TooFewSignaturesError",
    "TooLargeError",
    "TooManyStreamsError",
    "ToolDefinitionError",
    "TrustError",
    "UnauthorizedError",
    "UndeclaredRouteError",
    "UndiffableError",
    "UnknownCheckpointError",
    "UnknownContributionError",
    "UnknownExecutionError",
    "UnknownGraphError",
    "UnknownKeyError",
    "UnknownMcpNameError",
    "UnknownNodeError",
    "UnknownPackageError",
    "UnknownPeerError",
    "UnknownPlanError",
    "UnknownRouteError",
    "UnknownSubgraphError",
    "UnknownToolError",
    "UnknownUriError",
    "UnknownWorkerError",
    "UnmappedAnswerError",
    "UnreachableNodeError",
    "UnrecordedCallError",
    "UnreplayableError",
    "UnserialisableError",
    "UnshowableSchemaError",
    "UnsignedPackageError",
    "WrongKeyError",
    "WrongRootError",
    "nearest",
    "shorten",
]
