"""What every table shares: names of constraints that migrations can rely on, and how our types are stored."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from sqlalchemy import BigInteger, DateTime, MetaData, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    # Moments are always timestamptz, money always NUMERIC(18,2), text never has a length the database would cut it at.
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        Decimal: Numeric(18, 2),
        str: Text,
        int: BigInteger,
        uuid.UUID: Uuid,
        # A missing object is NULL: the JSON word null would be merged with others into a list.
        dict[str, Any]: JSONB(none_as_null=True),
        list[str]: JSONB,
        list[dict[str, Any]]: JSONB,
    }
