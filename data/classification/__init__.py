"""Pictures of one class each, from folders or cut out around boxes, to pretrain a backbone on."""
