DROP TABLE alerts, alert_thresholds, notification_attempts, notification_deliveries, notification_events, notification_templates, notification_addresses,
    notification_subscriptions, notification_channels;
